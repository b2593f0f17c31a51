-- admit.lua: may these requests leave now? Who may is written down as under way; who may not waits, and it costs no attempt.
-- uses clock
-- uses finish
-- KEYS[1]   leases             zset
-- KEYS[2]   gates              hash
-- KEYS[3]   expiry             zset
-- KEYS[4]   held_applications  set
-- KEYS[5]   counts             hash
-- KEYS[6…]  two an intent: intent:<id> hash, held:<application> zset
-- ARGV      token of the claim, probes a gate may have under way, how long a probe may take ms, how long an ended intent is kept ms,
--           then two an intent: id, application
-- returns   {now ms, outcome…}: 'go' | 'probe' (of a gate that its answer may open) | 'expired' | 'lost' | 'held <gate>'
-- cost      O(intents × (gates + log held)); the caller bounds how many
-- moves     sending → held (shut), sending → expired (expire)
-- again     a row that is already under way by this token is answered 'go'; one that was held or expired by it, likewise
-- memory    starts with HDEL, which a full Redis lets through
local now = now_ms()
local out = {now}
local gates = {}
local flat = redis.call('HGETALL', KEYS[2])
for i = 1, #flat, 2 do
  local gate, app = string.match(flat[i], '^([^|]*)|(.*)$')
  gates[app] = gates[app] or {}
  table.insert(gates[app], {field = flat[i], name = gate, g = cjson.decode(flat[i + 1])})
end

-- The first gate of these that lets nothing through now, else nil; a gate whose time has come gives out its probes.
local function shut(list)
  for _, entry in ipairs(list or {}) do
    local g = entry.g
    if g.until_ms == 0 or now < g.until_ms then return entry end
    if g.testing and now < (g.probe_until or 0) and g.testing >= tonumber(ARGV[2]) then return entry end
  end
end

local function probe(list)
  for _, entry in ipairs(list or {}) do
    local g = entry.g
    if not g.testing or now >= (g.probe_until or 0) then
      g.testing, g.probe_until = 0, now + tonumber(ARGV[3])
    end
    g.testing = g.testing + 1
    redis.call('HSET', KEYS[2], entry.field, cjson.encode(g))
  end
end

for i = 0, (#ARGV - 4) / 2 - 1 do
  local id, app = ARGV[5 + 2 * i], ARGV[6 + 2 * i]
  local row, held = KEYS[6 + 2 * i], KEYS[7 + 2 * i]
  local v = redis.call('HMGET', row, 'state', 'lease', 'begun', 'expires', 'last', 'gate')
  local outcome
  if v[1] ~= 'sending' or v[2] ~= ARGV[1] then
    outcome = 'lost'
    if v[5] == ARGV[1] and v[1] == 'held' then outcome = 'held ' .. (v[6] or '') end
    if v[5] == ARGV[1] and v[1] == 'expired' then outcome = 'expired' end
  elseif v[3] then
    outcome = 'go'
  elseif v[4] and tonumber(v[4]) <= now then
    redis.call('ZREM', KEYS[1], id)
    finish(row, id, 'expired', now, ARGV[4], KEYS[3], KEYS[5], {'last', ARGV[1]})
    reopen(row, id, 'expired')
    outcome = 'expired'
  else
    local by = shut(gates['*']) or shut(gates[app])
    if by then
      redis.call('ZREM', KEYS[1], id)
      redis.call('HDEL', row, 'lease')
      redis.call('HSET', row, 'state', 'held', 'gate', by.name, 'last', ARGV[1])
      local at = redis.call('HMGET', row, 'at', 'lane')
      redis.call('ZADD', held, tonumber(at[1]) + (at[2] == 'bulk' and 1e14 or 0), id)
      redis.call('SADD', KEYS[4], app)
      outcome = 'held ' .. by.name
    else
      probe(gates['*'])
      probe(gates[app])
      redis.call('HDEL', row, 'gate')
      redis.call('HSET', row, 'begun', now)
      outcome = (gates['*'] or gates[app]) and 'probe' or 'go'
    end
  end
  out[i + 2] = outcome
end
return out
