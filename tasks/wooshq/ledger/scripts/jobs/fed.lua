-- fed.lua: no more recipients come.
-- uses clock
-- uses full
-- uses marks
-- KEYS[1]   job:<job>          hash
-- KEYS[2]   job:<job>:unknown  list
-- KEYS[3]   job:<job>:doubts   stream
-- KEYS[4]   stepping           set
-- ARGV      job, how long an ended job is kept ms, rows that were refused, recipients that came twice, chunks that the stream made
-- derived   events, telling
-- returns   'gone' | 'short' (the job has more chunks than the stream made) | <state of the job>
-- cost      O(1)
-- moves     job running | paused | stopped → done (ended)
-- again     same answer, changes nothing
-- memory    works in a full Redis: the first write is HDEL
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'gone' end
if tonumber(ARGV[5]) < tonumber(redis.call('HGET', KEYS[1], 'chunks')) then return 'short' end
free_first(KEYS[1])
redis.call('HSET', KEYS[1], 'fed', 1, 'refused', ARGV[3], 'duplicates', ARGV[4])
end_job(KEYS[1], now_ms(), ARGV[2], {KEYS[1], KEYS[2], KEYS[3]})
if redis.call('HGET', KEYS[1], 'ended') then redis.call('SREM', KEYS[4], ARGV[1]) end
tell_all(now_ms())
return redis.call('HGET', KEYS[1], 'state')
