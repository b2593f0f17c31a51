-- pace: when an application's next calls may leave, over all workers. Slots are evenly spaced and given a moment ahead, so that a worker
-- asks once for many. Each lane has its own slots; the transactional lane may also take the bulk lane's.
-- There are two ceilings: the one that is set, and one that a 429 leaves, which climbs until it has no effect. The lower one counts.
-- Rule: generic cell rate algorithm (ITU-T I.371). A lane's `tat` is the time of its next slot.
-- Hash pace:<application>: tat:<lane> ms; limit calls/s, limit_at ms, base calls/s; cut_at ms; w_at, w_n, w_rate: calls of the last
-- seconds.
local CLIMB_A_SECOND = 1.1
local CUT = 0.7
local BURST_MS = 100

-- Calls a second that are allowed, or nil for no limit. ceiling: '' for none.
local function pace_limit(key, ceiling, now)
  local limit = tonumber(ceiling)
  local v = redis.call('HMGET', key, 'limit', 'limit_at', 'base')
  if v[1] then
    local climbed = tonumber(v[1]) * CLIMB_A_SECOND ^ (math.max(0, now - tonumber(v[2])) / 1000)
    if climbed > 2 * tonumber(v[3]) then
      redis.call('HDEL', key, 'limit', 'limit_at', 'base')
    elseif not limit or climbed < limit then
      limit = climbed
    end
  end
  return limit
end

-- Counts calls that may leave: the next 429 cuts from this rate.
local function pace_count(key, n, now)
  local v = redis.call('HMGET', key, 'w_at', 'w_n')
  local since = now - tonumber(v[1] or 0)
  if since >= 1000 then
    redis.call('HSET', key, 'w_at', now, 'w_n', n, 'w_rate', since < 10000 and tonumber(v[2] or 0) * 1000 / since or 0)
    redis.call('PEXPIRE', key, 3600000)
  else
    redis.call('HINCRBY', key, 'w_n', n)
  end
end

-- Takes up to `want` slots of the bulk lane before now + horizon. own_gap, own_tat: of a job with its own ceiling, otherwise 0.
-- Returns how many, ms until the first, ms between them, the job's next tat. Without a slot: 0, ms until to ask again, ms between, own_tat.
local function pace_block(key, want, limit, share, horizon, now, own_gap, own_tat)
  local gap = math.max(limit and 1000 / (limit * (1 - share)) or 0, own_gap)
  if gap == 0 then return want, 0, 0, 0 end
  local kept = redis.call('HGET', key, 'tat:bulk')
  -- No slot is further ahead than this, unless the clock was set back.
  local furthest = now + horizon + gap
  local first = math.max(now, limit and math.min(furthest, tonumber(kept or 0)) or 0, math.min(furthest, own_tat))
  if first > now + horizon then return 0, first - now - horizon / 2, gap, own_tat end
  local n = math.min(want, math.floor((now + horizon - first) / gap) + 1)
  local next_one = first + n * gap
  if limit then redis.call('HSET', key, 'tat:bulk', next_one) end
  return n, first - now, gap, next_one
end

-- Takes one slot before now + horizon for a call of either lane. Returns ms until the slot. Without a slot: nil, ms until to ask again.
local function pace_slot(key, lane, limit, share, horizon, now)
  if not limit then return 0 end
  local v = redis.call('HMGET', key, 'tat:bulk', 'tat:transactional')
  local bulk = math.max(now, tonumber(v[1] or 0))
  if lane == 'transactional' then
    local gap = 1000 / (limit * share)
    local own = math.max(now - BURST_MS, tonumber(v[2] or 0))
    if own <= math.max(now, bulk) then
      if own > now + horizon then return nil, own - now end
      redis.call('HSET', key, 'tat:transactional', own + gap)
      return math.max(0, own - now)
    end
  end
  if bulk > now + horizon then return nil, bulk - now end
  redis.call('HSET', key, 'tat:bulk', bulk + 1000 / (limit * (1 - share)))
  return bulk - now
end

-- The API answered 429: all workers slow down, once for all answers within a second. not_before: for how many ms the gate is shut.
local function pace_cut(key, not_before, now)
  local v = redis.call('HMGET', key, 'cut_at', 'w_at', 'w_n', 'w_rate', 'limit')
  if now - tonumber(v[1] or 0) < 1000 then return end
  local since = math.max(250, now - tonumber(v[2] or 0))
  local felt = math.max(tonumber(v[4] or 0), tonumber(v[3] or 0) * 1000 / since)
  if v[5] and felt > tonumber(v[5]) then felt = tonumber(v[5]) end
  felt = math.max(1, felt)
  redis.call('HSET', key, 'cut_at', now, 'base', felt, 'limit', math.max(0.5, felt * CUT), 'limit_at', now + not_before)
  redis.call('HDEL', key, 'tat:bulk', 'tat:transactional')
  redis.call('PEXPIRE', key, 3600000 + not_before)
end
