-- revoke.lua: forgets a bearer token of the HTTP API. Its name may be used again.
-- uses clock
-- uses history
-- KEYS[1]   tokens   hash
-- KEYS[2]   changes  stream
-- ARGV      name, why, by whom
-- derived   telling
-- returns   1 | 0 (no token has this name)
-- cost      O(1)
-- moves     none
-- again     another answer, changes nothing: the first run's token is gone
-- memory    works in a full Redis: the first write is HDEL
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
note_change(KEYS[2], now_ms(), 'revoke', 'token ' .. ARGV[1], ARGV[2], ARGV[3], '', '', {result = 'revoked'})
return 1
