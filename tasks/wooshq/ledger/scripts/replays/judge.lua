-- judge.lua: has a replay ended? Or must it stop, because too many of its intents failed? A first slice is judged when all of it has ended, and
--            after that every `window` letters.
-- uses clock
-- uses full
-- uses events/ended
-- KEYS[1]   replay:<replay>  hash
-- ARGV      none
-- derived   events, telling
-- returns   'gone' | <the state that the replay is in now>
-- cost      O(1)
-- moves     replay running → done (ended), stopped (stop), paused | stopped → done (ended)
-- again     same answer, changes nothing
-- memory    works in a full Redis: the first write is HDEL
local names = {'stop_at', 'window', 'w_ended', 'w_bad', 'allow', 'gone', 'begun', 'total', 'left_out', 'sent', 'dead', 'expired', 'cancelled'}
local state, ended = unpack(redis.call('HMGET', KEYS[1], 'state', 'ended'))
if not state then return 'gone' end
local flat, v = redis.call('HMGET', KEYS[1], unpack(names)), {}
for i, name in ipairs(names) do v[name] = flat[i] and tonumber(flat[i]) or 0 end
if ended or state == 'planned' then return state end
if v.begun == 0 and v.total == v.left_out + v.sent + v.dead + v.expired + v.cancelled then
  free_first(KEYS[1])
  state = state == 'cancelled' and state or 'done'
  redis.call('HDEL', KEYS[1], 'allow')
  local now = now_ms()
  redis.call('HSET', KEYS[1], 'state', state, 'ended', now)
  tell('replay', string.match(KEYS[1], 'replay:(.*)$'))
  tell_all(now)
  return state
end
if state ~= 'running' then return state end
local is_slice = v.allow > 0
if is_slice and not (v.gone >= v.allow and v.begun == 0) then return state end
if not is_slice and v.w_ended < v.window then return state end
free_first(KEYS[1])
if flat[1] and v.w_bad > v.stop_at * v.w_ended then
  state = 'stopped'
  local why = v.w_bad .. ' of ' .. v.w_ended .. ' letters failed again, more than ' .. string.format('%g', v.stop_at * 100) .. ' %'
  redis.call('HSET', KEYS[1], 'state', state, 'note', why)
end
redis.call('HDEL', KEYS[1], 'allow')
redis.call('HSET', KEYS[1], 'w_ended', 0, 'w_bad', 0)
return state
