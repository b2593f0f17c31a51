-- pace: when an application's next calls may leave, over all workers. Slots are given a moment ahead, so that a worker asks once for many.
-- uses learned_rate
-- Two ceilings: the one that is set, and the one that is learned from answers 429. The lower one counts.
-- Each lane may use the whole ceiling. If both want more: a part is kept for each lane (the transactional lane's share, and as much or all
-- of the rest for the bulk lane), and the transactional lane takes what is left. It may also leave at once in its part, although the bulk
-- lane has the next slots; the bulk lane's following slots are then later.
-- Rule: generic cell rate algorithm (ITU-T I.371). `tat` is the time of the next slot. Every call moves it on, so the ceiling is kept.
-- In a lane, the single intents and each job take turns: if several wait, the one with the fewest slots goes first.
-- Hash pace:<application>: tat ms; gap ms, between two slots; tat:<lane> ms, of the part that is kept for the lane; waits ms, until then somebody waits for a slot;
-- owed ms, for so long nobody came although somebody waited (a slot at most, if the ceiling is one that people set); asked: see parse_asked; w_at, w_n, w_rate: calls of the last seconds.
-- A slot that nobody came for is made up for within limits: more would be too many calls within one second.
local CATCH_UP, MOST_OWED_MS = 0.05, 10
-- While both lanes send, a part of the ceiling stays free: the transactional lane's calls leave at once, in slots that come a little later.
local KEPT_FREE, TOGETHER_MS = 0.02, 5000
-- When to ask again: while so much of the time ahead is still given. Who asks late has slots left.
local ASK_AT = 0.75
local LATE_MS = 1000
local ASK_AGAIN_MS = 1000
local GRACE_MS = 100
local FORGET_MS = 2000

-- A row of slots: where it continues, and the time that is owed to it. waits: until then somebody waited. furthest: no slot is further
-- ahead, unless the clock was set back or the ceiling was lower.
local function slots_from(tat, owed, waits, furthest, most_owed, now)
  tat, owed = tonumber(tat or now), tonumber(owed or 0)
  if tat > now + furthest then return now, 0 end
  if tat >= now then return tat, owed end
  return now, math.min(most_owed, owed + math.max(0, math.min(now, tonumber(waits or 0)) - tat))
end

-- Takes a slot out of a row. If time is owed, the next slot is a little nearer.
local function next_slot(row)
  local paid = math.min(row.owed, row.gap * CATCH_UP)
  row.tat, row.owed = row.tat + row.gap - paid, row.owed - paid
end

-- Who asked lately: {<who> = {lane, got (slots), waits (it was left without a slot), till ms (it must have come again)}}, a line for each.
local function parse_asked(text, now)
  local asked = {}
  for lane, got, waits, till, who in string.gmatch(text or '', '(%S+) (%S+) (%S+) (%S+) (%S+)\n') do
    till = tonumber(till)
    if till + FORGET_MS >= now then asked[who] = {lane = lane, got = tonumber(got), waits = waits == '1' and till >= now, till = till} end
  end
  return asked
end

-- Who waits in a lane and got the fewest slots, or nil.
local function least_served(asked, lane)
  local least
  for _, one in pairs(asked) do
    if one.lane == lane and one.waits and (not least or one.got < least.got) then least = one end
  end
  return least
end

-- A job's own ceiling. tat, owed: as its row has them. A job that runs waits for slots; one that asked long ago did not run.
local function job_pace(rate, tat, owed, horizon, now)
  local row = {gap = 1000 / rate}
  local waits = now - tonumber(tat or 0) < LATE_MS and now or 0
  row.tat, row.owed = slots_from(tat, owed, waits, 2 * (horizon + row.gap), math.max(row.gap, MOST_OWED_MS), now)
  return row
end

-- The limits that people set while workers run (hash limits: rate|<application>, share|<application>; '*' for all) count instead of those of
-- the environment. Returns the ceiling in calls/s, nil for none, and the transactional lane's share.
local function limits_of(limits, app, ceiling, share)
  local v = redis.call('HMGET', limits, 'rate|' .. app, 'rate|*', 'share|' .. app, 'share|*')
  local rate, part = v[1] or v[2], v[3] or v[4]
  if rate then ceiling = cjson.decode(rate).value end
  if part then share = cjson.decode(part).value end
  return tonumber(ceiling), tonumber(share)
end

-- An application's pace. ceiling: calls/s, or '' for none; share: of the transactional lane; both of the environment. horizon: how far ahead
-- slots are given, ms. Slots are taken in memory; pace_close writes them.
local function pace_open(key, limits, app, ceiling, share, horizon, now)
  ceiling, share = limits_of(limits, app, ceiling, share)
  local v = redis.call('HMGET', key, 'tat', 'owed', 'waits', 'tat:transactional', 'tat:bulk', 'limit', 'base', 'stop', 'used',
    'w_at', 'w_n', 'asked')
  local pace = {key = key, now = now, horizon = horizon, limit = ceiling, taken = 0, used = tonumber(v[9] or 0),
    w_at = tonumber(v[10] or 0), w_n = tonumber(v[11] or 0)}
  if v[6] then
    pace.learned = learned_rate(tonumber(v[6]), tonumber(v[7] or v[6]), v[8], v[9])
    pace.limit = math.min(pace.limit or pace.learned, pace.learned)
  end
  if pace.limit then
    local most_owed = pace.limit == pace.learned and LATE_MS or math.max(1000 / pace.limit, MOST_OWED_MS)
    local is_recent = function(tat) return tat and now - TOGETHER_MS < tonumber(tat) end
    pace.gap = 1000 / (is_recent(v[4]) and is_recent(v[5]) and pace.limit * (1 - KEPT_FREE) or pace.limit)
    pace.asked, pace.had_asked = parse_asked(v[12], now), v[12] and v[12] ~= ''
    pace.tat, pace.owed = slots_from(v[1], v[2], v[3], 4 * (horizon + pace.gap), most_owed, now)
    pace.kept = {}
    for lane, part in pairs({transactional = share, bulk = math.min(share, 1 - share)}) do
      local gap = pace.gap / part
      local tat = slots_from(v[lane == 'bulk' and 5 or 4], 0, 0, 2 * (horizon + gap), 0, now)
      pace.kept[lane] = {gap = gap, tat = tat}
    end
  end
  return pace
end

-- There is no slot for `mine` now. Returns nil, ms until to ask again.
local function must_wait(pace, mine, again)
  again = math.max(10, math.min(ASK_AGAIN_MS, again))
  mine.waits, mine.till = true, pace.now + again + GRACE_MS
  pace.waits = pace.now + again + LATE_MS
  return nil, again
end

-- Takes one slot for a call. who: the id of its job; nil for a single intent. job: the pace of its job, if that has a ceiling of its own.
-- Returns ms until the slot. Without a slot: nil, ms until to ask again: several slots come together then.
local function pace_slot(pace, lane, who, job)
  local now, ahead = pace.now, lane == 'transactional' and 2 * pace.horizon or pace.horizon
  if job and job.tat > now + ahead then
    if pace.limit and pace.asked[who] then pace.asked[who].waits = false end
    return nil, math.min(ASK_AGAIN_MS, job.tat - now - ahead * ASK_AT)
  end
  local at = now
  if pace.limit then
    who = who or lane
    local least = least_served(pace.asked, lane)
    local mine = pace.asked[who] or {lane = lane, got = least and least.got or 0}
    pace.asked[who] = mine
    if least and least.got < mine.got then return must_wait(pace, mine, least.till - GRACE_MS / 2 - now) end
    local kept = pace.kept[lane]
    at = pace.tat
    local is_kept = kept.tat < at and (lane == 'transactional' or at > now + ahead)
    if is_kept then at = kept.tat end
    if at > now + ahead then return must_wait(pace, mine, at - now - ahead * ASK_AT) end
    next_slot(pace)
    -- A lane that has slots without its part gets no more from it until a moment later.
    local later = kept.tat + kept.gap
    kept.tat = is_kept and later or math.max(kept.tat, math.min(later, now + math.max(pace.horizon, kept.gap)))
    kept.is_used = true
    mine.got, mine.waits, mine.till = mine.got + 1, false, now
  end
  if job then
    at = math.max(at, job.tat)
    next_slot(job)
  end
  pace.taken = pace.taken + 1
  return at - now
end

-- Takes up to `want` slots. Returns how many, ms until the first, ms between them, ms until to ask again. Without a slot: 0, ms until to ask
-- again.
local function pace_slots(pace, lane, want, who, job)
  if not pace.limit and not job then
    pace.taken = pace.taken + want
    return want, 0, 0, 0
  end
  local first, last, n = nil, nil, 0
  while n < want do
    local at, again = pace_slot(pace, lane, who, job)
    if not at and n == 0 then return 0, again end
    if not at then break end
    first, last, n = first or at, at, n + 1
  end
  local next_at = math.max(pace.tat or 0, job and job.tat or 0)
  local gap = n > 1 and (last - first) / (n - 1) or math.max(pace.gap or 0, job and job.gap or 0)
  return n, first, gap, math.max(0, math.floor(next_at - pace.now - pace.horizon * ASK_AT))
end

-- Writes what was taken, once, at the end.
local function pace_close(pace)
  local said = {}
  local function say(...)
    for _, one in ipairs({...}) do said[#said + 1] = one end
  end
  if pace.limit then
    local lines, somebody_waits = {}, false
    for who, one in pairs(pace.asked) do
      lines[#lines + 1] = table.concat({one.lane, one.got, one.waits and 1 or 0, one.till, who}, ' ') .. '\n'
      somebody_waits = somebody_waits or one.waits
    end
    if not somebody_waits then lines = {} end
    if #lines > 0 or pace.had_asked then say('asked', table.concat(lines)) end
  end
  if pace.waits then say('waits', pace.waits) end
  if pace.taken > 0 then
    if pace.limit then
      say('tat', pace.tat, 'gap', pace.gap, 'owed', pace.owed)
      for lane, kept in pairs(pace.kept) do
        if kept.is_used then say('tat:' .. lane, kept.tat) end
      end
    end
    local since = pace.now - pace.w_at
    if since >= 1000 then
      local rate = since < 10000 and pace.w_n * 1000 / since or 0
      say('w_at', pace.now, 'w_n', pace.taken, 'w_rate', rate)
      if pace.learned and rate > 0.8 * pace.learned then say('used', pace.used + since) end
    else
      say('w_n', pace.w_n + pace.taken)
    end
  end
  if #said == 0 then return end
  redis.call('HSET', pace.key, unpack(said))
  if pace.now - pace.w_at >= 1000 then
    redis.call('PEXPIRE', pace.key, 3600000 + math.ceil(2 * math.max(0, (pace.tat or 0) - pace.now)))
  end
end
