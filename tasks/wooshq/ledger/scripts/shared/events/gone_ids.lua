-- events/gone_ids: keeps the ids of rows that go to the history, see row.lua. It uses row. Whoever calls keep_id calls keep_ids at the end.
local room, waiting, is_kept = {}, {}, {} -- by set: how many ids it still takes, those that it is to get
local newest_id

local function write_ids(set)
  if waiting[set] and #waiting[set] > 0 then redis.call('SADD', set, unpack(waiting[set])) end
  room[set], waiting[set] = GONE_FULL - redis.call('SCARD', set), {}
end

-- Whether a set takes one more. Those that it is to get may be in it already.
local function has_room(set)
  if not room[set] or (#waiting[set] > 0 and room[set] <= 0) then write_ids(set) end
  return room[set] > 0
end

-- Keeps an id of a row. digest: the row's, or nil.
local function keep_id(prefix, id, digest)
  local set, plain, with, both = prefix .. 'gone:' .. string.sub(id, 1, 8), numbers_of(id, digest)
  for n = 0, #GONE_SPLIT do
    if n > 0 then set = set .. string.sub(id, GONE_SPLIT[n], GONE_SPLIT[n]) end
    is_kept[set] = true
    if has_room(set) then break end
  end
  local ids = waiting[set]
  if both then
    ids[#ids + 1], ids[#ids + 2] = with, both
    room[set] = room[set] - 2
  else
    ids[#ids + 1] = plain
    room[set] = room[set] - 1
  end
  if string.sub(id, 15, 15) == '7' and (not newest_id or id > newest_id) then newest_id = id end
end

-- Writes what was kept. keep_ms: for how long an id is recognised.
local function keep_ids(telling, now, keep_ms)
  if not next(is_kept) then return end
  for set, ids in pairs(waiting) do
    if #ids > 0 then redis.call('SADD', set, unpack(ids)) end
  end
  for set in pairs(is_kept) do redis.call('PEXPIRE', set, keep_ms) end
  redis.call('HSET', telling, 'gone_till', now + keep_ms)
  local before = redis.call('HGET', telling, 'gone_newest')
  if newest_id and (not before or newest_id > before) then redis.call('HSET', telling, 'gone_newest', newest_id) end
end
