-- admit.lua: may these requests leave now? The ledger records that a request may leave before it leaves. Waiting costs no attempt.
-- uses clock
-- uses letters
-- uses gates
-- uses pace
-- KEYS[1]   leases             zset
-- KEYS[2]   gates              hash
-- KEYS[3]   expiry             zset
-- KEYS[4]   held_applications  set
-- KEYS[5]   counts             hash
-- KEYS[6…]  three per intent: intent:<id> hash, held:<application> zset, pace:<application> hash
-- ARGV      token of the claim, probes that a gate may have in progress, how long a probe may take ms, how long an ended intent is kept ms,
--           the transactional lane's part of the rate, how far ahead slots are given ms, length of the lease from now on ms,
--           how long a letter is kept ms, then three per intent: id, application, its ceiling in calls/s or ''
-- derived   letter:<letter> (of an intent that is a replay and expires)
-- returns   {<now, ms>, 'go <ms>' (leaves in so many ms) | 'probe <ms>' (the same; its answer may open a gate) |
--            'wait <ms>' (no slot; it keeps its lease and has not begun; ask again in so many ms) | 'held <gate>' | 'expired' | 'lost' *},
--           one per intent after the time
-- cost      O(intents × (gates + log held)); the caller bounds how many
-- moves     intent sending → held (shut), sending → expired (expire); letter replaying → open (unsent)
-- again     another answer, changes nothing: 'go 0' for a request that may leave already; held and expired as before
-- memory    works in a full Redis: the first write is ZREM or HDEL
local now = now_ms()
local out = {now}
local gates = gates_by_application(KEYS[2])
local probes, probe_ms = tonumber(ARGV[2]), tonumber(ARGV[3])
local paces = {}

for i = 0, (#ARGV - 8) / 3 - 1 do
  local id, app, ceiling = ARGV[9 + 3 * i], ARGV[10 + 3 * i], ARGV[11 + 3 * i]
  local row, held, pace = KEYS[6 + 3 * i], KEYS[7 + 3 * i], KEYS[8 + 3 * i]
  local v = redis.call('HMGET', row, 'state', 'lease', 'begun', 'expires', 'last', 'gate', 'lane', 'doubts')
  local outcome
  if v[1] ~= 'sending' or v[2] ~= ARGV[1] then
    outcome = 'lost'
    if v[5] == ARGV[1] and v[1] == 'held' then outcome = 'held ' .. (v[6] or '') end
    if v[5] == ARGV[1] and v[1] == 'expired' then outcome = 'expired' end
  elseif v[3] then
    outcome = 'go 0'
  elseif v[4] and tonumber(v[4]) <= now then
    redis.call('ZREM', KEYS[1], id)
    finish_expired(row, id, 'sending', now, ARGV[4], KEYS[3], KEYS[5], {'last', ARGV[1]})
    reopen_letter(row, id, 'expired', ARGV[8])
    outcome = 'expired'
  else
    local by = shut_gate(gates['*'], now, probes) or shut_gate(gates[app], now, probes)
      or waits_behind_others(gates[app], v[8], held)
    if by then
      redis.call('ZREM', KEYS[1], id)
      redis.call('HDEL', row, 'lease')
      redis.call('HSET', row, 'state', 'held', 'gate', by.name, 'held_at', now, 'last', ARGV[1])
      local at = redis.call('HGET', row, 'at')
      redis.call('ZADD', held, held_rank(at, v[7], v[8]), id)
      redis.call('SADD', KEYS[4], app)
      outcome = 'held ' .. by.name
    else
      redis.call('HDEL', row, 'gate')
      paces[pace] = paces[pace] or pace_open(pace, ceiling, tonumber(ARGV[5]), tonumber(ARGV[6]), now)
      local wait, again = pace_slot(paces[pace], v[7])
      if wait then
        count_probe(KEYS[2], gates['*'], now, probe_ms)
        count_probe(KEYS[2], gates[app], now, probe_ms)
        redis.call('HSET', row, 'begun', now)
        redis.call('ZADD', KEYS[1], 'XX', now + tonumber(ARGV[7]), id)
        outcome = ((gates['*'] or gates[app]) and 'probe ' or 'go ') .. math.floor(wait)
      else
        outcome = 'wait ' .. math.ceil(again)
      end
    end
  end
  out[i + 2] = outcome
end
for _, pace in pairs(paces) do pace_close(pace) end
return out
