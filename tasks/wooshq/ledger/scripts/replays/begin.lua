-- begin.lua: letters of a replay become intents. If two workers do it at once, one of them does.
-- uses clock
-- uses letters
-- uses queue
-- uses row
-- KEYS[1]   replay:<replay>           hash
-- KEYS[2]   replay:<replay>:outcomes  string
-- KEYS[3]   replay:<replay>:why       hash
-- KEYS[4]   replay:<replay>:flying    set
-- KEYS[5]   replay:<replay>:again     list
-- KEYS[6]   replaying                 zset
-- KEYS[7]   expiry                    zset
-- KEYS[8]   counts                    hash
-- ARGV[1]   JSON: {replay, fence (of the row that the caller has read), next (place that comes next), popped (entries that were taken from
--           `again`), paced_at (until when slots under the rate are used up, ms), due_at (when the next letter may begin, ms), v (model version),
--           left_out: [[place, why]…]}
-- ARGV[2…]  one JSON object per intent: {id, lane, app, expires? ms, ttl? ms, bulk?, token_of?, body, letters: [[place, letter, id of the intent that died last,
--           SHA-1 of the edit that it was made from or '']…]}; more than one letter if it is sent for many
-- derived   causes, cause:<cause>, letter:<letter>, replay:<replay> (its letters of an intent), intent:<id> (the new one, and the one that died), queue:<lane>, ring:<lane>, suspects:<lane>
-- returns   {'begun', <letters that are intents now>} | {'lost', 0}
-- cost      O(letters × log ledger); the caller bounds how many
-- moves     intent → queued (replay); letter open → replaying (replay); outcome waiting → begun (begin), left_out (leave_out)
-- again     another answer, changes nothing: the fence is the token
-- memory    refused by a full Redis: the first write is HSET
local now = now_ms()
local r = cjson.decode(ARGV[1])
local head = redis.call('HMGET', KEYS[1], 'state', 'fence', 'trace')
if head[1] ~= 'running' or tonumber(head[2]) ~= r.fence then return {'lost', 0} end
local prefix = string.sub(KEYS[1], 1, #KEYS[1] - #r.replay - 7)
redis.call('HSET', KEYS[1], 'fence', r.fence + 1, 'next', r.next, 'paced_at', r.paced_at)
redis.call('ZADD', KEYS[6], r.due_at, r.replay)
if r.popped > 0 then redis.call('LTRIM', KEYS[5], r.popped, -1) end

local function leave_out(place, why)
  redis.call('HSET', KEYS[3], place, why)
  set_outcome(prefix, r.replay .. ' ' .. place, '.', 'X')
end

-- Whether a letter is as the caller has read it: 'ready', 'changed' (it was edited since), or why it is left out.
local function look(v, place, died, seen)
  if not v[1] then return 'gone: it is no longer kept' end
  if v[1] ~= 'open' then return v[1] .. ': it is ' .. v[1] .. ' by now' end
  if v[5] ~= r.replay .. ' ' .. place then return 'replaying: another replay has it' end
  if v[2] ~= died or (v[4] or '') ~= seen then return 'changed' end
  return 'ready'
end

local function make(one, letters)
  local row = prefix .. 'intent:' .. one.id
  local first = letters[1]
  local fields = {'digest', '', 'state', 'queued', 'lane', one.lane, 'app', one.app, 'at', now, 'v', r.v, 'replay_of', first.died, 'letter', first.id}
  if one.bulk then fields[#fields + 1], fields[#fields + 2] = 'bulk', one.bulk end
  if one.token_of then fields[#fields + 1], fields[#fields + 2] = 'token_of', one.token_of end
  if #letters > 1 then fields[#fields + 1], fields[#fields + 2] = 'share', r.replay end
  if head[3] then fields[#fields + 1], fields[#fields + 2] = 'trace', head[3] end
  local traced = redis.call('HGET', prefix .. 'intent:' .. first.died, 'traced')
  if traced then fields[#fields + 1], fields[#fields + 2] = 'traced', traced end
  add_body(fields, one.body)
  redis.call('HSET', row, unpack(fields))
  local expires = one.ttl and now + one.ttl or one.expires
  if expires then
    redis.call('HSET', row, 'expires', expires)
    redis.call('ZADD', KEYS[7], expires, one.id)
  end
  for _, letter in ipairs(letters) do
    set_outcome(prefix, r.replay .. ' ' .. letter.place, '.', 'b')
    begin_replay(letter.key, prefix, letter.id, one.id, letter.replays)
    local dead = prefix .. 'intent:' .. letter.died
    if redis.call('EXISTS', dead) == 1 then
      local earlier = redis.call('HGET', dead, 'replays')
      redis.call('HSET', dead, 'replays', (earlier and earlier .. ' ' or '') .. one.id)
    end
    if #letters > 1 then redis.call('RPUSH', KEYS[1] .. ':of:' .. one.id, letter.id) end
  end
  redis.call('SADD', KEYS[4], one.id)
  redis.call('HINCRBY', KEYS[1], 'gone', #letters)
  redis.call('HINCRBY', KEYS[1], 'calls', 1)
  redis.call('HINCRBY', KEYS[8], 'replayed', #letters)
  enqueue(row, one.id, {lane = one.lane, app = one.app, at = now}, 1, now)
end

local begun = 0
for _, one in ipairs(r.left_out) do leave_out(one[1], one[2]) end
for i = 2, #ARGV do
  local one = cjson.decode(ARGV[i])
  local letters, again = {}, false
  for _, l in ipairs(one.letters) do
    local key = prefix .. 'letter:' .. l[2]
    local v = redis.call('HMGET', key, 'state', 'intent', 'replays', 'edited', 'held_by')
    local is = look(v, l[1], l[3], l[4])
    if is == 'ready' or is == 'changed' then
      letters[#letters + 1] = {place = l[1], id = l[2], died = l[3], key = key, replays = v[3]}
    else
      leave_out(l[1], is)
    end
    again = again or is ~= 'ready'
  end
  if not again then
    make(one, letters)
    begun = begun + #letters
  elseif #letters > 0 then
    local places = {}
    for n, letter in ipairs(letters) do places[n] = letter.place end
    redis.call('RPUSH', KEYS[5], table.concat(places, ','))
  end
end
return {'begun', begun}
