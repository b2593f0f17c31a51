-- hold.lua: a replay is about to start: letters are held for it, so that no other replay has them. Those that may not be replayed are left out.
-- uses letters
-- uses letters/gone
-- KEYS[1]   replay:<replay>           hash
-- KEYS[2]   replay:<replay>:letters   list
-- KEYS[3]   replay:<replay>:outcomes  string
-- KEYS[4]   replay:<replay>:why       hash
-- ARGV      replay, first place, last place
-- derived   letter:<letter>, letters_gone, replay:<replay> (another one, that holds a letter)
-- returns   <how many are held> | 'lost' (it does not wait to be started)
-- cost      O(letters); the caller bounds how many
-- moves     outcome waiting → left_out (leave_out)
-- again     same answer, changes nothing
-- memory    refused by a full Redis: the first write is HSET
if redis.call('HGET', KEYS[1], 'state') ~= 'planned' then return 'lost' end
local prefix = string.sub(KEYS[1], 1, #KEYS[1] - #ARGV[1] - 7)
local states, held, left = {[ARGV[1]] = 'planned'}, {}, {}

-- Whether a replay that holds a letter is still going to replay it.
local function is_live(id)
  if states[id] == nil then states[id] = redis.call('HGET', prefix .. 'replay:' .. id, 'state') end
  return states[id] == 'running' or states[id] == 'paused' or states[id] == 'stopped'
end

local ids = redis.call('LRANGE', KEYS[2], ARGV[2], ARGV[3])
local outcomes = redis.call('GETRANGE', KEYS[3], ARGV[2], ARGV[3])
for i, id in ipairs(ids) do
  if string.sub(outcomes, i, i) == '.' then
    local place = ARGV[2] + i - 1
    local v = redis.call('HMGET', prefix .. 'letter:' .. id, 'state', 'held_by')
    v[1] = v[1] or state_of_gone(prefix, id)
    local other = v[2] and string.match(v[2], '^%S+')
    if not v[1] then
      left[#left + 1] = {place, 'gone: it is no longer kept'}
    elseif v[1] ~= 'open' then
      left[#left + 1] = {place, v[1] .. ': it is ' .. v[1] .. ' by now'}
    elseif other and is_live(other) then
      left[#left + 1] = {place, 'replaying: it is in replay ' .. other}
    else
      held[#held + 1] = {prefix .. 'letter:' .. id, ARGV[1] .. ' ' .. place}
    end
  end
end
for _, one in ipairs(held) do redis.call('HSET', one[1], 'held_by', one[2]) end
for _, one in ipairs(left) do
  redis.call('HSET', KEYS[4], one[1], one[2])
  set_outcome(prefix, ARGV[1] .. ' ' .. one[1], '.', 'X')
end
return #held
