-- unsent: what a call gives back that may leave and does not: its slot, and its place among the probes of a gate.
-- uses gates

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
