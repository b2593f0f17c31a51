-- bells: a bell is a broker message without content that wakes a worker of a lane. Hash bells: <lane> (1 while no worker has answered the
-- last bell), <lane>:rung (when it was rung, ms), <lane>:awake (until then a worker looks by itself, ms), <lane>:every (how long after a bell
-- a worker that leaves work behind rings the next one, ms).
local FIRST_MS, RAREST_MS = 50, 1000

-- Whether the caller must ring, because a lane has work now. Then the bell counts as rung. patience_ms: after so long a bell that nobody
-- has answered is lost; nil: it is not.
local function must_ring(bells, lane, now, patience_ms)
  local v = redis.call('HMGET', bells, lane, lane .. ':rung', lane .. ':awake')
  if now < tonumber(v[3] or 0) then return false end
  if v[1] == '1' and not (patience_ms and now - tonumber(v[2] or 0) > patience_ms) then return false end
  redis.call('HSET', bells, lane, '1', lane .. ':rung', now)
  return true
end

-- A worker of the lane has looked. awake_ms: for how long from now on it looks by itself. woken: it slept until it heard a bell. left: it left
-- something behind.
local function answer_bells(bells, lane, now, awake_ms, woken, left)
  if woken or not left then
    redis.call('HSET', bells, lane, '0', lane .. ':awake', now + awake_ms, lane .. ':every', FIRST_MS)
  else
    redis.call('HSET', bells, lane, '0', lane .. ':awake', now + awake_ms)
  end
end

-- Whether a worker that leaves work behind must wake another one. Not all at once: each one that is woken wakes the next. While nobody is woken,
-- bells become rare: all workers may be awake, and a bell costs as much as many takes.
local function ring_for_others(bells, lane, now)
  local v = redis.call('HMGET', bells, lane .. ':rung', lane .. ':every')
  local every = tonumber(v[2] or FIRST_MS)
  if now - tonumber(v[1] or 0) < every then return false end
  redis.call('HSET', bells, lane, '1', lane .. ':rung', now, lane .. ':every', math.min(2 * every, RAREST_MS))
  return true
end
