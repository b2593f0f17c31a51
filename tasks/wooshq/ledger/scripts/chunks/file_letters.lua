-- file_letters.lua: dead letters of a chunk that the keeper holds, a part of them; only then is who they are for marked dead.
-- uses clock
-- uses dead_recipients
-- KEYS[1]  chunk:<job>:<chunk>  hash
-- KEYS[2]  letters              zset
-- KEYS[3]  expiry               zset
-- KEYS[4]  counts               hash
-- KEYS[5…] intent:<id>          hash, one a letter
-- ARGV[1]  JSON: {job, token, dead_ms, v, letters (as of record.lua)}
-- returns  'filed' | 'held' (the chunk is another's by now)
-- cost     O(letters × log ledger); the caller bounds them
-- moves    → dead
-- again    a letter that is there is left alone
local now = now_ms()
local r = cjson.decode(ARGV[1])
if redis.call('HGET', KEYS[1], 'lease') ~= r.token then return 'held' end
file_dead_recipients(r.letters, function(i) return KEYS[4 + i] end, {KEYS[2], KEYS[3], KEYS[4]}, r.job, r.v, now, r.dead_ms)
return 'filed'
