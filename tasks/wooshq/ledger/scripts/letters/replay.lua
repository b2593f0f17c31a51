-- replay.lua: dead letters become new intents. If two callers replay the same letter, one of them does.
-- uses clock
-- uses letters
-- uses queue
-- uses row
-- KEYS[1]   due     zset
-- KEYS[2]   expiry  zset
-- KEYS[3]   counts  hash
-- KEYS[4…]  three per letter: letter:<letter> hash, intent:<new id> hash, intent:<dead id> hash
-- ARGV[1]   model version
-- ARGV[2…]  one per letter, ten lines: letter, new id, dead intent's id, lane, application, expires_at ms or '', ttl ms or '' (counts from
--           when it may be sent), how long it waits before that ms, SHA-1 of the edit that it was made from or '', body
-- derived   queue:<lane>, ring:<lane>, suspects:<lane>
-- returns   {'replayed' | 'changed' (it was edited since) | 'taken <state>' | 'gone' *}, one per letter
-- cost      O(letters × log ledger); the caller bounds how many
-- moves     intent → queued (replay), → retrying (replay_later); letter open → replaying (replay)
-- again     same answer, changes nothing: the new id is the token
-- memory    refused by a full Redis: the first write is HSET
local now = now_ms()
local out = {}
local LINES = '^' .. string.rep('([^\n]*)\n', 9) .. '(.*)$'

local function replay(letter, row, dead, line)
  local id, new, died, lane, app, expires, ttl, wait, seen, body = string.match(line, LINES)
  local v = redis.call('HMGET', letter, 'state', 'replay', 'intent', 'replays', 'edited', 'bulk')
  if not v[1] then return 'gone' end
  if v[2] == new or redis.call('EXISTS', row) == 1 then return 'replayed' end
  if v[1] ~= 'open' then return 'taken ' .. v[1] end
  if v[3] ~= died then return 'taken reopened' end
  if (v[5] and redis.sha1hex(v[5]) or '') ~= seen then return 'changed' end
  local goes = now + tonumber(wait)
  local fields = {'digest', '', 'state', 'queued', 'lane', lane, 'app', app, 'at', now, 'v', ARGV[1], 'replay_of', died, 'letter', id}
  add_body(fields, body)
  redis.call('HSET', row, unpack(fields))
  if v[6] and v[6] ~= '' then redis.call('HSET', row, 'bulk', v[6]) end
  if ttl ~= '' then expires = goes + tonumber(ttl) end
  if expires ~= '' then
    redis.call('HSET', row, 'expires', expires)
    redis.call('ZADD', KEYS[2], expires, new)
  end
  if goes > now then
    redis.call('HSET', row, 'state', 'retrying', 'due', goes, 'waits_for', 'its turn at the rate of the replay')
    redis.call('ZADD', KEYS[1], goes, new)
  else
    enqueue(row, new, {lane = lane, app = app, at = now}, 1, now)
  end
  begin_replay(letter, new, v[4])
  if redis.call('EXISTS', dead) == 1 then
    local earlier = redis.call('HGET', dead, 'replays')
    redis.call('HSET', dead, 'replays', (earlier and earlier .. ' ' or '') .. new)
  end
  redis.call('HINCRBY', KEYS[3], 'replayed', 1)
  return 'replayed'
end

for i = 2, #ARGV do
  out[i - 1] = replay(KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i], ARGV[i])
end
return out
