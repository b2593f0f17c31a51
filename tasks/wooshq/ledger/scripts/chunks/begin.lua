-- begin.lua: may these calls leave now? The ledger marks the recipients of a call as being sent to before the call leaves.
-- uses clock
-- uses full
-- uses gates
-- uses pace
-- uses marks
-- KEYS[1]   chunk:<job>:<chunk>  hash
-- KEYS[2]   marks:<job>:<chunk>  string
-- KEYS[3]   job:<job>            hash
-- KEYS[4]   chunk_leases         zset
-- KEYS[5]   gates                hash
-- KEYS[6]   pace:<application>   hash
-- KEYS[7]   limits               hash
-- ARGV      token, number of this request, number of the record that must come before it (0: none), the lease's member, length of the
--           lease ms, application, probes that a gate may have in progress, how long a probe may take ms, the transactional lane's part of
--           the rate, how far ahead slots are given ms, the application's ceiling in calls/s or '', then one per call: its recipients as
--           'a-b,a-b'
-- returns   {'go', <calls that may leave>, <of the last of them, how many recipients>, <ms until the first>, <ms between them>, <now, ms>,
--            1 (a call of the job was accepted before) | 0, 1 (its answers may open a gate) | 0, <ask for the next slots in, ms>} |
--           {'early'} (the record is not written yet: its script runs later, because the server had forgotten it) |
--           {'held <gate>', <ask again in, ms>} | {'wait', <ask again in, ms>} | {'step'} (the roll-out step has no room) | {'expired'} |
--           {'lost'} | {<state of a job that does not run>}
-- cost      O(recipients of the calls); the caller bounds them
-- moves     mark waiting | again → sending (begun)
-- again     same answer, changes nothing: the answer is kept with token and number until the next request
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local v = redis.call('HMGET', KEYS[1], 'lease', 'step', 'answer', 'recorded')
if v[1] ~= ARGV[1] then return {'lost'} end
if ARGV[3] ~= '0' and v[4] ~= ARGV[1] .. ARGV[3] then return {'early'} end
if v[2] == ARGV[1] .. ARGV[2] then return cjson.decode(v[3]) end
free_first(KEYS[1])
redis.call('ZADD', KEYS[4], 'XX', now + tonumber(ARGV[5]), ARGV[4])

-- How many of the first `want` calls fit into a roll-out step with room for so many new recipients. Of the last one a part may fit.
local function calls_within(want, room)
  for i = 1, want do
    local fresh = 0
    for a, b in string.gmatch(ARGV[11 + i], '(%d+)-(%d+)') do
      fresh = fresh + select(2, string.gsub(redis.call('GETRANGE', KEYS[2], a, b), '%.', ''))
    end
    if fresh > 0 and room <= 0 then return i - 1 end
    room = room - fresh
    if room < 0 then return i end
  end
  return want
end

-- The last place from a to b before the first new recipient that finds no room.
local function last_within(a, b, room)
  local seen, at, asked = redis.call('GETRANGE', KEYS[2], a, b), 0, 0
  repeat
    at = string.find(seen, '.', at + 1, true)
    asked = asked + 1
  until not at or asked > room
  return at and a + at - 2 or b
end

local function may()
  local job = redis.call('HMGET', KEYS[3], 'state', 'expires', 'allow', 'begun', 'rate', 'tat', 'proved', 'owed')
  if job[1] ~= 'running' then return {job[1] or 'cancelled'} end
  if job[2] and tonumber(job[2]) <= now then return {'expired'} end
  local gates = gates_by_application(KEYS[5])
  local by = gate_against(gates, ARGV[6], 'bulk', now, tonumber(ARGV[7]))
  if by then
    local again = by.g.until_ms == 0 and 1000 or math.max(50, by.g.until_ms - now)
    -- After an answer 429 calls stop for a moment only: the worker keeps the chunk, as for a slot.
    if by.name == 'not_before' and by.g.until_ms > 0 and again <= 1000 then return {'wait', again} end
    return {'held ' .. by.name, again}
  end
  local want = #ARGV - 11
  local probing = gates['*'] or gates[ARGV[6]]
  if probing or not job[7] then want = math.min(want, 1) end
  -- A probe is for one recipient: if its answer is lost, too, one more person is in doubt, and not a thousand.
  local most = probing and 1 or math.huge
  -- Only new recipients take room in a roll-out step. Those begun before are sent to until the step has ended.
  local room = job[3] and tonumber(job[3]) - tonumber(job[4]) or math.huge
  if room < math.huge then want = calls_within(want, room) end
  if want == 0 then return {'step'} end
  local horizon = tonumber(ARGV[10])
  local pace = pace_open(KEYS[6], KEYS[7], ARGV[6], ARGV[11], ARGV[9], horizon, now)
  local own = job[5] and job_pace(tonumber(job[5]), job[6], job[8], horizon, now)
  local n, start, gap, again = pace_slots(pace, 'bulk', want, KEYS[3], own)
  pace_close(pace)
  if n == 0 then return {'wait', math.max(1, math.ceil(start))} end
  if own then redis.call('HSET', KEYS[3], 'tat', own.tat, 'owed', own.owed) end
  local deltas, last = {}, 0
  local calls = 0
  for i = 1, n do
    last = 0
    for a, b in string.gmatch(ARGV[11 + i], '(%d+)-(%d+)') do
      a, b = tonumber(a), tonumber(b)
      local upto = math.min(room < math.huge and last_within(a, b, room) or b, a + most - 1)
      if upto >= a then
        room = room - set_marks(KEYS[2], a, upto, 's', '.', deltas)
        set_marks(KEYS[2], a, upto, 's', 'r', deltas)
        last, most = last + upto - a + 1, most - (upto - a + 1)
      end
      if upto < b then break end
    end
    calls = i
  end
  count_marks(KEYS[3], deltas)
  if probing then
    count_probe(KEYS[5], gates['*'], now, tonumber(ARGV[8]))
    count_probe(KEYS[5], gates[ARGV[6]], now, tonumber(ARGV[8]))
  end
  return {'go', calls, last, string.format('%.3f', start), string.format('%.3f', gap), now, job[7] and 1 or 0, probing and 1 or 0, again}
end

local answer = may()
redis.call('HSET', KEYS[1], 'step', ARGV[1] .. ARGV[2], 'answer', cjson.encode(answer))
return answer
