-- dead_recipients: dead letters of a job's recipients, each with the intent that the recipient would have had.
-- uses letters
-- uses history

-- letters: [{id, body, locale?, app, lane, reason, detail, code, payload, traced?, attempts: […]}]. row_of(n): the key of the n-th letter's intent.
-- keys: { letters, expiry, counts }. A letter that was filed before is not touched,
-- also if it has left for the history.
local function file_dead_recipients(letters, row_of, keys, job, version, now, keep_ms)
  for i, letter in ipairs(letters) do
    local row = row_of(i)
    if redis.call('EXISTS', row) == 0 and not redis.call('ZSCORE', keys[1], letter.id) then
      redis.call('HSET', row, 'body', letter.body, 'digest', '', 'state', 'queued', 'lane', 'bulk', 'app', letter.app, 'at', now,
        'v', version, 'bulk', job)
      if letter.locale then redis.call('HSET', row, 'locale', letter.locale) end
      if letter.traced then redis.call('HSET', row, 'traced', letter.traced) end
      for _, attempt in ipairs(letter.attempts) do remember(row, attempt) end
      file_letter(row, letter.id, now, keys, keep_ms, letter)
    end
  end
end
