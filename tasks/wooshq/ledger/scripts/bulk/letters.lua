-- letters.lua: dead letters of a chunk that the keeper holds, a part of them; only then is who they are for marked dead.
-- uses clock
-- uses finish
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
for i, letter in ipairs(r.letters) do
  local row = KEYS[4 + i]
  if redis.call('EXISTS', row) == 0 then
    redis.call('HSET', row, 'body', letter.body, 'digest', '', 'state', 'queued', 'lane', 'bulk', 'app', letter.app, 'at', now, 'v', r.v,
      'bulk', r.job)
    for _, attempt in ipairs(letter.attempts) do remember(row, attempt) end
    bury(row, letter.id, now, KEYS[2], KEYS[3], KEYS[4], r.dead_ms, letter.reason, letter.detail, letter.code, letter.payload)
  end
end
return 'filed'
