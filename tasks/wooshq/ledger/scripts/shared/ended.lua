-- ended: what every move of an intent to a final state has in common.

-- Ends the intent's row. keep_ms: how long the row is kept. fields: more pairs for the row.
local function finish(row, id, state, now, keep_ms, expiry, counts, fields)
  redis.call('ZREM', expiry, id)
  redis.call('HDEL', row, 'lease', 'begun', 'gate', 'why', 'due')
  redis.call('HSET', row, 'state', state, 'ended', now, unpack(fields))
  redis.call('PEXPIRE', row, keep_ms)
  redis.call('HINCRBY', counts, state, 1)
end
