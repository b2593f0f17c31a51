-- ended: what every move of an intent to a final state has in common.

-- Ends the intent's row. keep_ms: how long the row is kept. fields: more pairs for the row.
local function finish(row, id, state, now, keep_ms, expiry, counts, fields)
  redis.call('ZREM', expiry, id)
  redis.call('HDEL', row, 'begun', 'due')
  redis.call('HSET', row, 'state', state, 'ended', now, unpack(fields))
  redis.call('PEXPIRE', row, keep_ms)
  redis.call('HINCRBY', counts, state, 1)
end

-- Ends a row whose `expires_at` has come, and says in its `detail` what it waited for. from: the state that it was in. gate: the name of the
-- gate that holds it, or nil.
local function finish_expired(row, id, from, now, keep_ms, expiry, counts, fields, gate)
  local v = redis.call('HMGET', row, 'waits_for', 'lane')
  local missing = {
    queued = gate and 'while the gate ' .. gate .. ' held it' or 'while it waited for a worker of the ' .. (v[2] or '') .. ' lane',
    retrying = 'while it waited for ' .. (v[1] or 'its next attempt'),
    sending = 'before it could be sent',
  }
  fields[#fields + 1] = 'detail'
  fields[#fields + 1] = 'its expires_at came ' .. missing[from]
  finish(row, id, 'expired', now, keep_ms, expiry, counts, fields)
end
