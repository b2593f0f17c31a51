-- file.lua: keeps a broker message that is not a valid intent as a dead letter, so that an operator can fix and replay it.
-- uses clock
-- uses letters
-- uses row
-- KEYS[1]   intent:<id>  hash
-- KEYS[2]   letters      zset
-- KEYS[3]   expiry       zset
-- KEYS[4]   counts       hash
-- ARGV      id, body as it came, reason, detail, lane, application or '', how long a letter is kept ms, model version
-- derived   events, telling, causes, cause:<cause>, gone:<time>, letter:<letter> (its own)
-- returns   1 (filed) | 0 (an intent has this id)
-- cost      O(log letters)
-- moves     intent → dead (filed); letter → open (filed)
-- again     another answer, changes nothing: the id is the token
-- memory    refused by a full Redis: the first write is HSET
if redis.call('EXISTS', KEYS[1]) == 1 or digest_of_gone(ledger_of(KEYS[1], ARGV[1]), ARGV[1]) then return 0 end
local now = now_ms()
redis.call('HSET', KEYS[1], 'body', ARGV[2], 'digest', '', 'state', 'queued', 'lane', ARGV[5], 'app', ARGV[6], 'at', now, 'v', ARGV[8])
file_letter(KEYS[1], ARGV[1], now, {KEYS[2], KEYS[3], KEYS[4]}, ARGV[7], {reason = ARGV[3], detail = ARGV[4]})
tell_all(now)
return 1
