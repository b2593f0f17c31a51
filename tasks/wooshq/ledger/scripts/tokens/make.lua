-- make.lua: keeps a new bearer token of the HTTP API under its name. Only its hash is kept.
-- uses clock
-- uses history
-- KEYS[1]   tokens   hash
-- KEYS[2]   changes  stream
-- ARGV      name, hash of the token, its scopes separated by blanks, why, by whom
-- derived   telling
-- returns   <the time when it was made, ms> | 0 (another token has this name)
-- cost      O(1)
-- moves     none
-- again     same answer, changes nothing: the hash is known by itself
-- memory    refused by a full Redis: the first write is HSET
local kept = redis.call('HGET', KEYS[1], ARGV[1])
if kept then
  local earlier = cjson.decode(kept)
  return earlier.hash == ARGV[2] and earlier.made_ms or 0
end
local now = now_ms()
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode({hash = ARGV[2], scopes = ARGV[3], why = ARGV[4], by = ARGV[5], made_ms = now}))
note_change(KEYS[2], now, 'make', 'token ' .. ARGV[1], ARGV[4], ARGV[5], '', '', {result = ARGV[3]})
return now
