-- report.lua: a worker reports what the API answered for an application. Its gates shut or open accordingly.
-- uses clock
-- uses full
-- uses pace
-- KEYS[1]   gates               hash
-- KEYS[2]   failures            hash
-- KEYS[3]   pace:<application>  hash
-- ARGV      application, calls that were answered well, calls that failed, failures in a row that shut the circuit gate, first wait ms,
--           longest wait ms, then three per gate that an answer shuts: gate, not before ms from now (0: the wait decides), why
-- returns   {'opened <gate>' | 'shut <gate>' *}, one per event
-- cost      O(gates)
-- moves     none
-- again     another answer, changes only gates, failures and pace:<application>: failures count twice, so a gate may shut early, never late
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local app = ARGV[1]
local out = {}
free_first(KEYS[2])

local function shut(gate, not_before, why)
  local field = gate .. '|' .. app
  local kept = redis.call('HGET', KEYS[1], field)
  local g = kept and cjson.decode(kept) or nil
  if g and g.by_hand then return end
  if g and now < g.until_ms and not g.testing then
    -- It is shut already: a late answer can only keep it shut for longer.
    if now + not_before > g.until_ms then
      g.until_ms = now + not_before
      redis.call('HSET', KEYS[1], field, cjson.encode(g))
    end
    return
  end
  local wait = tonumber(ARGV[5])
  if g then wait = math.min(math.max(g.wait_ms * 2, wait), tonumber(ARGV[6])) end
  redis.call('HSET', KEYS[1], field, cjson.encode({why = why, since_ms = g and g.since_ms or now, wait_ms = wait,
    until_ms = now + math.max(wait, not_before)}))
  out[#out + 1] = 'shut ' .. gate
end

if tonumber(ARGV[2]) > 0 then
  redis.call('HDEL', KEYS[2], app)
  for _, gate in ipairs({'circuit', 'token', 'application', 'not_before'}) do
    local field = gate .. '|' .. app
    local kept = redis.call('HGET', KEYS[1], field)
    if kept then
      local g = cjson.decode(kept)
      if g.testing and not g.by_hand then
        redis.call('HDEL', KEYS[1], field)
        out[#out + 1] = 'opened ' .. gate
      end
    end
  end
elseif tonumber(ARGV[3]) > 0 then
  local n = redis.call('HINCRBY', KEYS[2], app, ARGV[3])
  for _, gate in ipairs({'token', 'application', 'not_before'}) do
    local testing = redis.call('HGET', KEYS[1], gate .. '|' .. app)
    if testing and cjson.decode(testing).testing then shut(gate, 0, cjson.decode(testing).why) end
  end
  local kept = redis.call('HGET', KEYS[1], 'circuit|' .. app)
  if n >= tonumber(ARGV[4]) or (kept and cjson.decode(kept).testing) then
    shut('circuit', 0, n .. ' failures in a row')
  end
end
for i = 7, #ARGV, 3 do
  if ARGV[i] == 'not_before' then pace_cut(KEYS[3], tonumber(ARGV[i + 1]), now) end
  shut(ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2])
end
return out
