-- history: what stays on record: the attempts of an intent, and the cases in doubt.

-- Adds one attempt (JSON) to an intent's row. The first ten and the last ninety are kept: an intent that tests a gate for days has thousands.
local function remember(row, attempt)
  local n = redis.call('HINCRBY', row, 'n', 1)
  redis.call('HSET', row, 'a:' .. n, attempt)
  if n > 100 then redis.call('HDEL', row, 'a:' .. n - 90) end
end

-- Adds one intent that is in doubt.
local function doubt(doubts, id, now, keep_ms, cause)
  redis.call('XADD', doubts, 'MINID', '~', now - keep_ms, '*', 'id', id, 'at', now, 'cause', cause)
end
