-- ring.lua: which lanes have intents that may leave now, and no worker that knows of them? Their bells must be rung.
-- uses clock
-- uses full
-- uses gates
-- uses bells
-- KEYS[1]   bells                   hash
-- KEYS[2]   gates                   hash
-- KEYS[3]   ring:transactional      zset
-- KEYS[4]   ring:bulk               zset
-- KEYS[5]   suspects:transactional  zset
-- KEYS[6]   suspects:bulk           zset
-- ARGV      after how long a bell that nobody has answered is lost ms, probes that a gate may have in progress
-- returns   {'transactional' | 'bulk' *}; their bells count as rung
-- cost      O(gates + applications that wait + log suspects)
-- moves     none
-- again     another answer, changes nothing: a bell that was rung just now is not rung again
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local gates = gates_by_application(KEYS[2])
local out = {}

local probes = tonumber(ARGV[2])

local function may_leave(lane, ring, suspects)
  if shut_gate(gates['*'], now, probes) or shut_gate(gates['*/' .. lane], now, probes) then return false end
  if redis.call('ZCOUNT', suspects, '-inf', now) > 0 then return true end
  for _, app in ipairs(redis.call('ZRANGE', ring, 0, -1)) do
    if not gate_against(gates, app, lane, now, probes) then return true end
  end
  return false
end

free_first(KEYS[1])
for i, lane in ipairs({'transactional', 'bulk'}) do
  if may_leave(lane, KEYS[2 + i], KEYS[4 + i]) and must_ring(KEYS[1], lane, now, tonumber(ARGV[1])) then out[#out + 1] = lane end
end
return out
