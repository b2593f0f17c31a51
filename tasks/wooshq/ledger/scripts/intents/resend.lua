-- resend.lua: an operator sends again what was sent already. The recipients may get it twice, so that is on record.
-- uses clock
-- uses history
-- uses events/ended
-- uses queue
-- uses row
-- KEYS[1]   intent:<id>          the one that was sent
-- KEYS[2]   intent:<id>  hash    the new one
-- KEYS[3]   expiry       zset
-- KEYS[4]   counts       hash
-- KEYS[5]   doubts       stream
-- KEYS[6]   changes      stream
-- ARGV      JSON: {old, id, lane, app, expires? ms, ttl? ms, body, v (model version), why, by, trace? (of this call), was_sent (the history says that it was sent, if the row has gone), keep_ms (of what is in doubt)}
-- derived   events, telling, gone:<time>, queue:<lane>, ring:<lane>, suspects:<lane>
-- returns   'resent' | 'gone' | <the state that the intent is in>
-- cost      O(log ledger)
-- moves     intent → queued (resend)
-- again     same answer, changes nothing: the new id is the token
-- memory    refused by a full Redis: the first write is HSET
local a = cjson.decode(ARGV[1])
local v = fields_of(KEYS[1], 'state', 'replays', 'traced')
if not v[1] and not a.was_sent then return 'gone' end
local ledger = string.match(KEYS[1], '^[^}]*}:')
if redis.call('EXISTS', KEYS[2]) == 1 or digest_of_gone(ledger, a.id) then return 'resent' end
if v[1] and v[1] ~= 'sent' then return v[1] end
local now = now_ms()
local fields = {'digest', '', 'state', 'queued', 'lane', a.lane, 'app', a.app, 'at', now, 'v', a.v, 'replay_of', a.old, 'resent_by', a.by, 'resent_why', a.why}
if a.trace then fields[#fields + 1], fields[#fields + 2] = 'trace', a.trace end
if v[3] then fields[#fields + 1], fields[#fields + 2] = 'traced', v[3] end
add_body(fields, a.body)
redis.call('HSET', KEYS[2], unpack(fields))
local expires = a.ttl and now + a.ttl or a.expires
if expires then
  redis.call('HSET', KEYS[2], 'expires', expires)
  redis.call('ZADD', KEYS[3], expires, a.id)
end
if v[1] then
  spread(KEYS[1])
  redis.call('HSET', KEYS[1], 'replays', (v[2] and v[2] .. ' ' or '') .. a.id)
  tell_again(KEYS[1], 'sent', a.old, now)
end
redis.call('HINCRBY', KEYS[4], 'resent', 1)
doubt(KEYS[5], KEYS[2], a.id, now, a.keep_ms, 'sent again by ' .. a.by)
enqueue(KEYS[2], a.id, {lane = a.lane, app = a.app, at = now}, 1, now)
note_change(KEYS[6], now, 'resend', 'intent ' .. a.old, a.why, a.by, '', '', {n = 1, result = 'intent ' .. a.id})
tell_all(now)
return 'resent'
