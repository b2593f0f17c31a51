-- letters: dead letters of recipients of a fan-out, each with the intent that it would have been. Needs ended.
-- letters: {id, body, app, lane, reason, detail, code, payload, attempts: […]}; row_of: the key of the n-th one's intent, by n.
-- keys: { letters, expiry, counts }. One that is there is left alone.
local function file_letters(letters, row_of, keys, job, version, now, dead_ms)
  for i, letter in ipairs(letters) do
    local row = row_of(i)
    if redis.call('EXISTS', row) == 0 then
      redis.call('HSET', row, 'body', letter.body, 'digest', '', 'state', 'queued', 'lane', 'bulk', 'app', letter.app, 'at', now,
        'v', version, 'bulk', job)
      for _, attempt in ipairs(letter.attempts) do remember(row, attempt) end
      bury(row, letter.id, now, keys[1], keys[2], keys[3], dead_ms, letter.reason, letter.detail, letter.code, letter.payload)
    end
  end
end
