-- marks: where the recipients of a chunk are, one byte each, and the job's counters. See Mark in tasks/wooshq/ledger/states.py.
-- uses events/ended
local COUNTER = {s = 'sending', r = 'retrying', S = 'sent', D = 'dead', U = 'unknown_identifiers', E = 'expired', C = 'cancelled'}

-- Sets `mark` from a to b (0-based, both included) wherever the mark before is one of `from`. Returns how many were set.
-- key: the chunk's marks. deltas: how the number of each mark changes, for `count_marks` at the end.
local function set_marks(key, a, b, mark, from, deltas)
  local before = redis.call('GETRANGE', key, a, b)
  local n, after = 0, nil
  if #before == 1 then
    if string.find(from, before, 1, true) then n, after = 1, mark end
  else
    after, n = string.gsub(before, '[' .. from .. ']', mark)
  end
  if n == 0 then return 0 end
  for was in string.gmatch(before, '[' .. from .. ']') do deltas[was] = (deltas[was] or 0) - 1 end
  deltas[mark] = (deltas[mark] or 0) + n
  redis.call('SETRANGE', key, a, after)
  return n
end

-- Counts in the job's row what `set_marks` changed. `begun` counts the recipients that do not wait any more.
local function count_marks(job, deltas)
  if (deltas['.'] or 0) ~= 0 then redis.call('HINCRBY', job, 'begun', -deltas['.']) end
  for mark, n in pairs(deltas) do
    if n ~= 0 and COUNTER[mark] then redis.call('HINCRBY', job, COUNTER[mark], n) end
  end
end

-- Whether every recipient in the chunk has ended.
local function all_final(key)
  return not string.find(redis.call('GET', key) or '', '[.sr]')
end

-- The place of a chunk in its job's queue. A chunk of which all recipients are in doubt (`behind`) comes last, so that a call that tests a
-- gate goes to a recipient that may not have received the message yet.
local function queue_place(number, behind)
  return tonumber(number) + (behind and 1e9 or 0)
end

-- The job's rate: recipients that ended per second.
local function count_rate(job, n, now)
  local v = redis.call('HMGET', job, 'w_at', 'w_n')
  local since = now - tonumber(v[1] or 0)
  if since >= 1000 then
    redis.call('HSET', job, 'w_at', now, 'w_n', n, 'w_rate', since < 10000 and tonumber(v[2] or 0) * 1000 / since or 0)
  else
    redis.call('HINCRBY', job, 'w_n', n)
  end
end

-- Ends a chunk in which every recipient has ended. Its marks are kept; its recipients are kept if some were not reached: expired or cancelled.
local function end_chunk(chunk, marks, job, room, keep_ms)
  if not string.find(redis.call('GET', marks) or '', '[EC]') then redis.call('HDEL', chunk, 'data') end
  redis.call('HDEL', chunk, 'lease', 'log', 'losses', 'doubted', 'behind', 'later', 'due')
  redis.call('HSET', chunk, 'state', 'done')
  redis.call('PEXPIRE', chunk, keep_ms)
  redis.call('PEXPIRE', marks, keep_ms)
  redis.call('HINCRBY', job, 'chunks_done', 1)
  if redis.call('LLEN', room) < 64 then redis.call('LPUSH', room, 1) end
end

-- Ends the job if every recipient has ended and no more come. keys: the job's row and its parts, which are kept for keep_ms.
local function end_job(job, now, keep_ms, keys)
  local v = redis.call('HMGET', job, 'state', 'fed', 'chunks', 'chunks_done', 'ended')
  if v[5] or v[3] ~= v[4] or (not v[2] and v[1] ~= 'cancelled') then return end
  if v[1] ~= 'cancelled' then redis.call('HSET', job, 'state', 'done') end
  redis.call('HSET', job, 'ended', now)
  redis.call('HDEL', job, 'goes_on')
  -- Why somebody cancelled it stays; why it was paused is over.
  if redis.call('HGET', job, 'state') ~= 'cancelled' then redis.call('HDEL', job, 'why', 'by') end
  tell('job', string.match(job, 'job:(.*)$'))
  for _, key in ipairs(keys) do redis.call('PEXPIRE', key, keep_ms) end
end
