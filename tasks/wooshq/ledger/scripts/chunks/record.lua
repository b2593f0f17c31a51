-- record.lua: a worker records the outcomes of calls, and, if it releases the chunk, where the chunk goes.
-- uses clock
-- uses full
-- uses letters/dead_recipients
-- uses marks
-- KEYS[1]   chunk:<job>:<chunk>  hash
-- KEYS[2]   marks:<job>:<chunk>  string
-- KEYS[3]   job:<job>            hash
-- KEYS[4]   chunk_leases         zset
-- KEYS[5]   chunk_due            zset
-- KEYS[6]   job:<job>:queued     zset
-- KEYS[7]   turns                zset
-- KEYS[8]   letters              zset
-- KEYS[9]   expiry               zset
-- KEYS[10]  counts               hash
-- KEYS[11]  job:<job>:doubts     stream
-- KEYS[12]  job:<job>:unknown    list
-- KEYS[13]  job:<job>:room       list
-- KEYS[14]  doubts               stream
-- KEYS[15…] intent:<id>          hash, one per dead letter
-- ARGV[1]   JSON: {job, chunk, token, no, lease_ms, keep_ms, dead_ms, v, marks: 'S0-9 D10-10 …', calls, accepted, streak, streak_of,
--           stop_after, stop_unproved, stop?, doubts: [{cause, n, who}], unknown: [identifier…], letters: [{id, body, app, lane, reason,
--           detail, code, payload, attempts: […]}], dead_in_doubt (recipients that are dead and in doubt), end?: 'back' | 'due', wait_ms?,
--           log?, doubted? (calls without an answer, by place: the field as it is now), behind? (all recipients that are left are in doubt),
--           later? (recipients that must wait for a Retry-After, as take.lua answers; or ''), age_ms? (how long recipients are retried already), waits?
--           (of `due`: nothing failed, it waits)}
-- derived   events, telling, causes, cause:<cause>, letter:<letter> (of a dead recipient)
-- returns   {'recorded' | 'lost', 'done' | 'sending' | 'queued' | 'retrying' (where the chunk is now)}
-- cost      O(recipients named + letters × log ledger); the caller bounds them
-- moves     mark waiting | sending | again → sent (accepted), dead (given_up), unknown (unknown), expired (expire), cancelled (cancel),
--           sending → again (failed), waiting (handed_back);
--           chunk sending → queued (handed_back), retrying (failed), done (ended);
--           job running → stopped (stop), running | paused | stopped → done (ended);
--           intent → dead (filed); letter → open (filed)
-- again     same answer, changes only counts: token and number are in the chunk; a record of a lost chunk is counted as late each time
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local r = cjson.decode(ARGV[1])
local member = r.job .. ' ' .. r.chunk
local v = redis.call('HMGET', KEYS[1], 'lease', 'recorded', 'state')
if v[2] == r.token .. r.no then return {'recorded', v[3]} end
free_first(KEYS[10])
if v[1] ~= r.token then
  redis.call('HINCRBY', KEYS[10], 'late', 1)
  return {'lost', v[3] or 'done'}
end
redis.call('ZADD', KEYS[4], 'XX', now + r.lease_ms, member)

local deltas, ended = {}, 0
for mark, a, b in string.gmatch(r.marks, '(%S)(%d+)-(%d+)') do
  local final = COUNTER[mark] and mark ~= 's' and mark ~= 'r'
  -- An outcome counts, even if a Redis that lost its last second does not know of the call.
  local n = set_marks(KEYS[2], tonumber(a), tonumber(b), mark, final and '.sr' or 's', deltas)
  if final then ended = ended + n end
end
count_marks(KEYS[3], deltas)
if ended > 0 then count_rate(KEYS[3], ended, now) end
if (deltas['S'] or 0) > 0 then redis.call('HINCRBY', KEYS[10], 'bulk_sent', deltas['S']) end
if r.calls > 0 then redis.call('HINCRBY', KEYS[3], 'calls', r.calls) end

file_dead_recipients(r.letters, function(i) return KEYS[14 + i] end, {KEYS[8], KEYS[9], KEYS[10]}, r.job, r.v, now, r.dead_ms)

for _, d in ipairs(r.doubts) do
  redis.call('XADD', KEYS[11], '*', 'at', now, 'cause', d.cause, 'who', d.who)
  redis.call('XADD', KEYS[14], 'MINID', '~', now - r.dead_ms, '*', 'bulk', r.job, 'at', now, 'cause', d.cause, 'n', d.n)
  redis.call('HINCRBY', KEYS[3], 'unknown', d.n)
  redis.call('HINCRBY', KEYS[10], 'unknown', d.n)
end
if r.doubted then redis.call('HSET', KEYS[1], 'doubted', r.doubted) end
if r.dead_in_doubt > 0 then redis.call('HINCRBY', KEYS[3], 'dead_in_doubt', r.dead_in_doubt) end
for i = 1, #r.unknown, 1000 do redis.call('RPUSH', KEYS[12], unpack(r.unknown, i, math.min(i + 999, #r.unknown))) end

if r.accepted > 0 then redis.call('HSET', KEYS[3], 'proved', 1, 'streak', 0) end
if r.streak > 0 then
  local s = redis.call('HMGET', KEYS[3], 'streak', 'streak_of')
  local n = r.streak + (r.accepted == 0 and s[2] == r.streak_of and tonumber(s[1] or 0) or 0)
  redis.call('HSET', KEYS[3], 'streak', n, 'streak_of', r.streak_of)
  -- A job of which no call was accepted stops after fewer refusals.
  local proved = redis.call('HGET', KEYS[3], 'proved')
  if n >= (proved and r.stop_after or math.min(r.stop_unproved, r.stop_after)) and not r.stop then
    r.stop = 'the API refused ' .. n .. ' recipients in a row with the same words, and accepted none in between: ' .. r.streak_of
  end
end
local state = redis.call('HGET', KEYS[3], 'state')
if r.stop and state == 'running' then
  redis.call('HSET', KEYS[3], 'state', 'stopped', 'why', r.stop)
  redis.call('ZREM', KEYS[7], r.job)
  state = 'stopped'
end

local at = 'sending'
if all_final(KEYS[2]) then
  at = 'done'
  redis.call('ZREM', KEYS[4], member)
  end_chunk(KEYS[1], KEYS[2], KEYS[3], KEYS[13], r.dead_ms)
elseif r['end'] and string.find(redis.call('GET', KEYS[2]), 's', 1, true) then
  -- A Redis that lost its last second: a recipient is marked as being sent to, and the worker does not know of a call. The lease ends
  -- now, so that the recipient is in doubt like those of a lost worker.
  redis.call('ZADD', KEYS[4], 'XX', now, member)
elseif r['end'] then
  at = r['end'] == 'due' and 'retrying' or 'queued'
  redis.call('ZREM', KEYS[4], member)
  redis.call('HDEL', KEYS[1], 'lease', 'behind')
  redis.call('HSET', KEYS[1], 'later', r.later, 'age_ms', r.age_ms)
  if r.behind then redis.call('HSET', KEYS[1], 'behind', 1) end
  redis.call('HSET', KEYS[1], 'state', at, 'log', r.log)
  if at == 'retrying' then
    if not r.waits then redis.call('HINCRBY', KEYS[1], 'rounds', 1) end
    redis.call('ZADD', KEYS[5], now + r.wait_ms, member)
  else
    redis.call('ZADD', KEYS[6], queue_place(r.chunk, r.behind), r.chunk)
    if state == 'running' then redis.call('ZADD', KEYS[7], 'NX', now, r.job) end
  end
end
if at ~= 'sending' then redis.call('HINCRBY', KEYS[3], 'leased', -1) end
redis.call('HSET', KEYS[1], 'recorded', r.token .. r.no)
if at == 'done' then end_job(KEYS[3], now, r.keep_ms, {KEYS[3], KEYS[11], KEYS[12]}) end
tell_all(now)
return {'recorded', at}
