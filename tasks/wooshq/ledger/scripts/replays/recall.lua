-- recall.lua: takes back intents of a replay that was paused, stopped or cancelled, as far as no worker holds them.
-- uses clock
-- uses letters
-- uses queue
-- uses row
-- KEYS[1]   replay:<replay>         hash
-- KEYS[2]   replay:<replay>:flying  set
-- KEYS[3]   replay:<replay>:again   list
-- KEYS[4]   due                     zset
-- KEYS[5]   expiry                  zset
-- KEYS[6]   counts                  hash
-- ARGV      replay, how long an ended intent is kept ms, how long a letter is kept ms, then one id per intent
-- derived   events, telling, causes, cause:<cause>, intent:<id>, letter:<letter>, queue:<lane>, suspects:<lane>, replay:<replay> (its other parts)
-- returns   <letters that were taken back>
-- cost      O(letters × log ledger); the caller bounds how many
-- moves     intent queued | retrying → cancelled (cancel); letter replaying → open (unsent); outcome begun → waiting (back), cancelled (cancel)
-- again     another answer, changes nothing: an intent that was taken back is final
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'paused' and state ~= 'stopped' and state ~= 'cancelled' then return 0 end
redis.call('HDEL', KEYS[1], '')
local prefix = string.sub(KEYS[1], 1, #KEYS[1] - #ARGV[1] - 7)
local back = 0

local function take_back(id, row, v)
  redis.call('ZREM', KEYS[4], id)
  unqueue(row, id, v[2], v[3])
  finish(row, id, 'cancelled', now, ARGV[2], KEYS[5], KEYS[6], {'detail', 'its replay ' .. ARGV[1] .. ' is ' .. state})
  local list = KEYS[1] .. ':of:' .. id
  local ids = v[5] and redis.call('LRANGE', list, 0, -1) or {v[4]}
  local places = {}
  for _, letter in ipairs(ids) do
    local key = prefix .. 'letter:' .. letter
    local held_by = redis.call('HGET', key, 'held_by')
    reopen_one(key, prefix, id, 'its replay ' .. id .. ' was taken back', ARGV[3], state == 'cancelled' and 'C' or nil)
    if state ~= 'cancelled' and held_by and set_outcome(prefix, held_by, 'b', '.') then
      places[#places + 1] = string.match(held_by, '(%d+)$')
    end
  end
  if #places > 0 then
    redis.call('RPUSH', KEYS[3], table.concat(places, ','))
    redis.call('HINCRBY', KEYS[1], 'gone', -#places)
  end
  redis.call('SREM', KEYS[2], id)
  redis.call('DEL', list)
  back = back + #ids
end

for i = 4, #ARGV do
  local id = ARGV[i]
  local row = prefix .. 'intent:' .. id
  local v = fields_of(row, 'state', 'lane', 'app', 'letter', 'share')
  if v[1] == 'queued' or v[1] == 'retrying' then take_back(id, row, v) end
end
tell_all(now)
return back
