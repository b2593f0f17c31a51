-- report.lua: a worker reports what the API answered for an application. Its gates shut or open accordingly.
-- uses clock
-- uses full
-- uses learned_rate
-- uses events/ended
-- KEYS[1]   gates               hash
-- KEYS[2]   failures            hash
-- KEYS[3]   pace:<application>  hash
-- KEYS[4]   limited             set
-- ARGV      JSON: {app, well (calls that were answered well), failed (calls), in_doubt (recipients of failed calls that may have been accepted),
--           not_understood (calls whose answer came and was not understood), not_understood_people (their recipients), sample (one of these
--           answers), and limits: failures_shut, in_doubt_shut (the circuit gate), not_understood_shut, not_understood_people_shut (the gate
--           `answers`), forget_ms (after so long without one, answers that were not understood are forgotten); first_ms, longest_ms (waits),
--           limited_ms (the first wait after an answer 429 that asks for none),
--           slower, answers_slower (how many times longer the waits may be when a probe may leave somebody in doubt)},
--           then three per gate that an answer shuts: gate, not before ms from now (0: the wait decides), why
-- derived   events, telling
-- returns   {'opened <gate>' | 'shut <gate>' *}, one per event
-- cost      O(gates)
-- moves     none
-- again     another answer, changes only gates, failures, limited, pace:<application>, events and telling: failures count twice, so a gate may shut early, never late
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local r = cjson.decode(ARGV[1])
local app = r.app
local out = {}
free_first(KEYS[2])

local function gate_of(gate)
  local kept = redis.call('HGET', KEYS[1], gate .. '|' .. app)
  return kept and cjson.decode(kept) or nil
end

-- slower: nil, or how many times longer the waits may be. Then one probe at a time: it may leave somebody in doubt. last_ms: its last wait,
-- if the gate was shut before. After an answer 429 the first wait is what it asked for, or a short one. Returns the wait, until when it is
-- shut, and whether it was open.
local function shut(gate, not_before, why, slower, last_ms)
  local field = gate .. '|' .. app
  local g = gate_of(gate)
  if g and g.by_hand then return last_ms, math.max(now, g.until_ms), false end
  if g and now < g.until_ms and not g.testing then
    -- It is shut already: a late answer can only keep it shut for longer.
    if now + not_before > g.until_ms then
      g.until_ms = now + not_before
      redis.call('HSET', KEYS[1], field, cjson.encode(g))
    end
    return g.wait_ms, g.until_ms, false
  end
  local wait = r.first_ms
  if gate == 'not_before' then wait = not_before > 0 and not_before or math.min(wait, r.limited_ms) end
  if g then last_ms = g.wait_ms end
  if last_ms then wait = math.min(math.max(last_ms * 2, wait), r.longest_ms * (slower or 1)) end
  local until_ms = now + math.max(wait, not_before)
  redis.call('HSET', KEYS[1], field, cjson.encode({why = why, since_ms = g and g.since_ms or now, wait_ms = wait, until_ms = until_ms,
    probes = slower and 1 or nil}))
  out[#out + 1] = 'shut ' .. gate
  if not g then tell_gate('shut', gate, app, false, until_ms) end
  return wait, until_ms, not g
end

-- Answers that were not understood. They are not forgotten when the gate opens: if every fourth answer is one, the gate must shut for longer
-- each time, or each time the same number of people would be in doubt.
local kept = redis.call('HGET', KEYS[2], 'answers|' .. app)
local seen = kept and cjson.decode(kept)
if seen and now - seen.at > r.forget_ms then seen = nil end

if r.well > 0 then
  redis.call('HDEL', KEYS[2], app, 'people|' .. app)
  for _, gate in ipairs({'circuit', 'token', 'application', 'not_before', 'answers'}) do
    local g = gate_of(gate)
    if g and g.testing and not g.by_hand then
      redis.call('HDEL', KEYS[1], gate .. '|' .. app)
      out[#out + 1] = 'opened ' .. gate
      tell_gate('opened', gate, app, false, 0)
      if seen and gate == 'answers' then
        seen.at = now
        redis.call('HSET', KEYS[2], 'answers|' .. app, cjson.encode(seen))
      end
    end
  end
elseif r.failed + r.not_understood > 0 then
  local n = redis.call('HINCRBY', KEYS[2], app, r.failed)
  local people = redis.call('HINCRBY', KEYS[2], 'people|' .. app, r.in_doubt)
  for _, gate in ipairs({'token', 'application', 'not_before'}) do
    local g = gate_of(gate)
    if g and g.testing then shut(gate, 0, g.why) end
  end
  local g = gate_of('circuit')
  if n >= r.failures_shut or people >= r.in_doubt_shut or (g and g.testing) then
    local why = n .. ' failures in a row' .. (people > 0 and ', ' .. people .. ' recipients in doubt' or '')
    shut('circuit', 0, why, r.in_doubt + r.not_understood > 0 and r.slower or nil)
  end
end

if r.not_understood > 0 then
  seen = seen or {calls = 0, people = 0}
  seen.calls, seen.people, seen.at = seen.calls + r.not_understood, seen.people + r.not_understood_people, now
  local g = gate_of('answers')
  if seen.calls >= r.not_understood_shut or seen.people >= r.not_understood_people_shut or (g and g.testing) then
    seen.wait_ms = shut('answers', 0, r.sample, r.answers_slower, seen.wait_ms)
  end
  redis.call('HSET', KEYS[2], 'answers|' .. app, cjson.encode(seen))
end

for i = 2, #ARGV, 3 do
  local _, until_ms, was_open = shut(ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2])
  if ARGV[i] == 'not_before' then
    learn_rate(KEYS[3], until_ms, was_open, now)
    redis.call('SADD', KEYS[4], app)
  end
end
tell_all(now)
return out
