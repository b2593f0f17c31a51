-- gates: which of an application's gates is shut now, and the probes of a gate whose time has come.

-- All gates, by whose they are: an application, '*' for all, or one lane of it ('<application>/<lane>', '*/<lane>'; only people shut these).
-- An entry is { field of the hash `gates`, name, g = its value }.
local function gates_by_application(key)
  local found = {}
  local flat = redis.call('HGETALL', key)
  for i = 1, #flat, 2 do
    local gate, app = string.match(flat[i], '^([^|]*)|(.*)$')
    found[app] = found[app] or {}
    table.insert(found[app], {field = flat[i], name = gate, g = cjson.decode(flat[i + 1])})
  end
  return found
end

-- The first of these gates that lets nothing through now, or nil. A gate whose time has come lets its probes through: `probes` of them, or
-- as many as the gate itself says (a probe that may leave somebody in doubt goes alone).
local function shut_gate(list, now, probes)
  for _, entry in ipairs(list or {}) do
    local g = entry.g
    if g.until_ms == 0 or now < g.until_ms then return entry end
    if g.testing and now < (g.probe_until or 0) and g.testing >= (g.probes or probes) then return entry end
  end
end

-- The first gate that lets nothing of an application's lane through now, or nil.
local function gate_against(gates, app, lane, now, probes)
  if next(gates) == nil then return nil end
  return shut_gate(gates['*'], now, probes) or shut_gate(gates[app], now, probes)
    or shut_gate(gates['*/' .. lane], now, probes) or shut_gate(gates[app .. '/' .. lane], now, probes)
end

-- Counts one more probe of each of these gates.
local function count_probe(key, list, now, probe_ms)
  for _, entry in ipairs(list or {}) do
    local g = entry.g
    if not g.testing or now >= (g.probe_until or 0) then
      g.testing, g.probe_until = 0, now + probe_ms
    end
    g.testing = g.testing + 1
    redis.call('HSET', key, entry.field, cjson.encode(g))
  end
end

-- A call that may leave and does not gives back its slot, and its place among the probes.
-- pace: pace:<application>. probe: 1 if its answer could have opened a gate.
local function give_back(pace, gates_key, app, probe)
  local v = redis.call('HMGET', pace, 'tat', 'gap', 'w_n')
  if v[1] and v[2] then redis.call('HSET', pace, 'tat', tonumber(v[1]) - tonumber(v[2])) end
  if tonumber(v[3] or 0) > 0 then redis.call('HINCRBY', pace, 'w_n', -1) end
  if probe ~= '1' then return end
  local gates = gates_by_application(gates_key)
  for _, list in ipairs({gates['*'] or {}, gates[app] or {}}) do
    for _, entry in ipairs(list) do
      local g = entry.g
      if g.testing and g.testing > 0 then
        g.testing = g.testing - 1
        redis.call('HSET', gates_key, entry.field, cjson.encode(g))
      end
    end
  end
end
