-- events/trim: who reads the stream `events`, and when its entries leave. Each reader (the history, …) has a group of its own, and an entry leaves when
-- every group has done it. Hash telling: heard|<group> (when a reader of the group last spoke, ms), missed|<group> (how many ends left before the
-- group had done them), missed_at|<group> (when the last of them left, ms). It uses clock. The history is not made to wait: where it does the events and another group does not, the oldest leave when the stream
-- is three quarters full. What the history has not done never leaves: if the stream is full, ends are counted and not told, see ended.lua.
local HISTORY = 'history'
local PATIENCE = 0.75
local TRIM_BYTES = 24

-- Whether the entry `a` is before `b`.
local function is_before(a, b)
  local a_ms, a_n = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_n = string.match(b, '^(%d+)-(%d+)$')
  if a_ms ~= b_ms then return tonumber(a_ms) < tonumber(b_ms) end
  return tonumber(a_n) < tonumber(b_n)
end

-- Group → the first entry that it has not done.
local function groups_of(events)
  local found = {}
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', events)) do
    local group = {}
    for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
    local ms, n = string.match(group['last-delivered-id'], '^(%d+)-(%d+)$')
    local first = ms .. '-' .. string.format('%.0f', tonumber(n) + 1)
    if group.pending > 0 then first = redis.call('XPENDING', events, group.name)[2] or first end
    found[group.name] = first
  end
  return found
end

-- Removes entries at the head of the stream, at most `most` of them.
local function trim(events, telling, most)
  if redis.call('EXISTS', events) == 0 then return end
  local groups, by_all = groups_of(events), nil
  for _, first in pairs(groups) do
    if not by_all or is_before(first, by_all) then by_all = first end
  end
  if not by_all then return end
  local v = redis.call('HMGET', telling, 'most', 'bytes')
  local left, patient = tonumber(v[2] or 0), PATIENCE * tonumber(v[1] or 0)
  local till = left > patient and groups[HISTORY] or by_all
  local names, missed = {}, {}
  local bytes = 0
  for _, entry in ipairs(redis.call('XRANGE', events, '-', '(' .. till, 'COUNT', most)) do
    if left - bytes <= patient and not is_before(entry[1], by_all) then break end
    names[#names + 1] = entry[1]
    bytes = bytes + TRIM_BYTES
    local ends = 0
    for i, text in ipairs(entry[2]) do
      bytes = bytes + #text
      if i % 2 == 0 and entry[2][i - 1] ~= 'again' then ends = ends + select(2, string.gsub(text, '%S+', '')) end
    end
    for group, first in pairs(groups) do
      if not is_before(entry[1], first) then missed[group] = (missed[group] or 0) + ends end
    end
  end
  if #names == 0 then return end
  redis.call('XDEL', events, unpack(names))
  for group, n in pairs(missed) do
    redis.call('HINCRBY', telling, 'missed|' .. group, n)
    redis.call('HSET', telling, 'missed_at|' .. group, now_ms())
  end
  if redis.call('XLEN', events) == 0 then
    redis.call('HSET', telling, 'bytes', 0)
  else
    redis.call('HINCRBY', telling, 'bytes', -bytes)
  end
end

-- A group has done these entries.
local function done(events, telling, group, names)
  if #names == 0 then return end
  redis.call('XACK', events, group, unpack(names))
  trim(events, telling, 2 * #names + 16)
end
