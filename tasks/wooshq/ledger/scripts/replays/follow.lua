-- follow.lua: an intent that was sent for many letters has ended: the next of its letters follow.
-- uses clock
-- uses full
-- uses letters
-- KEYS[1]   replay:<replay>         hash
-- KEYS[2]   replay:<replay>:flying  set
-- KEYS[3]   replay:<replay>:again   list
-- KEYS[4]   replay:<replay>:shared  list
-- KEYS[5]   letters                 zset
-- KEYS[6]   intent:<id>             hash
-- KEYS[7]   counts                  hash
-- ARGV      replay, id, how many letters the caller has seen there, how many follow at most, how long an ended intent is kept ms, how long a letter is kept ms, 'each' (every letter shares
--           its end), then the letters whose recipients the API does not know | 'apart' (the letters are tried again in smaller calls), then one entry per call:
--           places, joined by commas
-- derived   events, telling, causes, cause:<cause>, letter:<letter>, job:<job>, replay:<replay> (its other parts), intent:<letter> (the first intent of a letter that is filed again)
-- returns   <letters that are left>
-- cost      O(letters); the caller bounds how many
-- moves     letter replaying → closed (sent), open (unsent); outcome begun → sent (accepted), dead (given_up), expired (expire), cancelled (cancel),
--           waiting (back)
-- again     another answer, changes nothing: how many letters are left is the token
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local list = KEYS[1] .. ':of:' .. ARGV[2]
local prefix = string.sub(KEYS[1], 1, #KEYS[1] - #ARGV[1] - 7)
local names = {'state', 'code', 'n', 'reason', 'detail', 'died_of', 'lane', 'app', 'v'}
local flat, v = redis.call('HMGET', KEYS[6], unpack(names)), {}
for i, name in ipairs(names) do v[name] = flat[i] or nil end
if not v.state then return 0 end
local seen = redis.call('LLEN', list)
if seen ~= tonumber(ARGV[3]) then return seen end
local ids = redis.call('LRANGE', list, 0, ARGV[7] == 'apart' and -1 or ARGV[4] - 1)
if #ids == 0 then return 0 end
free_first(KEYS[1])
-- What waits in a cancelled replay would wait for ever.
local is_cancelled = redis.call('HGET', KEYS[1], 'state') == 'cancelled'
local unknown = {}
if ARGV[7] == 'each' then
  for i = 8, #ARGV do unknown[ARGV[i]] = true end
end

local function follow(letter)
  local key = prefix .. 'letter:' .. letter
  local is = redis.call('HMGET', key, 'replay', 'held_by', 'bulk')
  if is[1] ~= ARGV[2] then return end
  if ARGV[7] == 'apart' then
    redis.call('HINCRBY', key, 'attempts', tonumber(v.n or 0))
    reopen_one(key, prefix, ARGV[2], 'its replay ' .. ARGV[2] .. ' was refused with others', ARGV[6], is_cancelled and 'C' or nil)
    if is[2] and not is_cancelled then set_outcome(prefix, is[2], 'b', '.') end
  elseif v.state == 'sent' then
    close_one(key, prefix, ARGV[2], v.code or '', v.n, now, ARGV[6], unknown[letter])
  elseif v.state == 'dead' then
    local why = cjson.decode(v.died_of or '{}')
    why.reason, why.detail = v.reason, v.detail
    file_one(key, prefix, letter, ARGV[2], {lane = v.lane, app = v.app, bulk = is[3] or nil, n = v.n, v = v.v}, now, KEYS[5], KEYS[7], ARGV[6], why)
    redis.call('PEXPIRE', prefix .. 'intent:' .. letter, ARGV[6])
  else
    reopen_one(key, prefix, ARGV[2], 'its last replay ' .. ARGV[2] .. ' ended as ' .. v.state, ARGV[6], v.state == 'expired' and 'E' or 'C')
  end
end

for _, letter in ipairs(ids) do follow(letter) end
redis.call('LTRIM', list, #ids, -1)
if ARGV[7] == 'apart' and not is_cancelled then
  redis.call('HINCRBY', KEYS[1], 'gone', -#ids)
  -- Whoever has read the first calls of the list must not take these off it instead.
  redis.call('HINCRBY', KEYS[1], 'fence', 1)
  for i = #ARGV, 8, -1 do redis.call('LPUSH', KEYS[3], ARGV[i]) end
end
local left = redis.call('LLEN', list)
if left == 0 then
  redis.call('SREM', KEYS[2], ARGV[2])
  -- The caller always takes the first one.
  if redis.call('LRANGE', KEYS[4], 0, 0)[1] == ARGV[2] then redis.call('LTRIM', KEYS[4], 1, -1) end
  -- A dead letter shows the intent that died last, so that one is kept as long.
  redis.call('PEXPIRE', KEYS[6], v.state == 'dead' and ARGV[6] or ARGV[5])
  tell_changed(v.state, ARGV[2])
end
tell_all(now)
return left
