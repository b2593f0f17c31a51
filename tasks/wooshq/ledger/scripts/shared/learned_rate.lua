-- learned_rate: the ceiling of an application that is learned from answers 429.
-- Hash pace:<application>: limit calls/s, right after the last 429; base calls/s, where it is soon after; stop ms, for how long no call left
-- after the 429; used ms, for how long the ceiling was used up since; shut_at, open_at ms, when the stop began and ended.
local FIRST_CUT = 0.7
local LEAST_LEFT, MOST_LEFT = 0.4, 0.97
local HALF_S = 5
local WINDOW_MS = 60000
local HOLD_S, DOUBLE_S = 25, 60

-- From `limit` to `base` within seconds of use. There for a while, then up, faster and faster, to find out whether the API allows more. The
-- next 429 costs a stop: so a long stop makes it rarer.
local function learned_rate(limit, base, stop, used)
  local s, slower = tonumber(used or 0) / 1000, math.max(1, tonumber(stop or 0) / 1000)
  local beyond = math.min(6, math.max(0, s - HOLD_S * slower) / (DOUBLE_S * slower))
  return base * 2 ^ (beyond * beyond) - (base - limit) * 0.5 ^ (s / HALF_S)
end

-- The API answered 429. until_ms: no call leaves before. is_first: the calls went on until now. If they did not, it is the answer of a call
-- that left before, or of a probe, and says nothing new about the rate.
-- The API allows what left, over the time with the stop. So the ceiling is cut much after a short time, and a little after a long one. The
-- stop before counts if it was longer: an API that counts by the minute may not say when the next minute begins.
local function learn_rate(key, until_ms, is_first, now)
  local stop = until_ms - now
  local said = {'open_at', until_ms, 'stop', stop}
  if is_first then
    local v = redis.call('HMGET', key, 'w_at', 'w_n', 'w_rate', 'limit', 'base', 'stop', 'used', 'shut_at', 'open_at')
    local felt = math.max(tonumber(v[3] or 0), tonumber(v[2] or 0) * 1000 / math.max(250, now - tonumber(v[1] or 0)))
    if v[4] then felt = math.min(felt, learned_rate(tonumber(v[4]), tonumber(v[5] or v[4]), v[6], v[7])) end
    felt = math.max(0.5, felt)
    local left = FIRST_CUT
    if v[9] then
      local open = math.max(0, now - tonumber(v[9]))
      local before = math.min(WINDOW_MS, tonumber(v[9]) - tonumber(v[8] or v[9]))
      left = math.max(LEAST_LEFT, math.min(MOST_LEFT, open / (open + math.max(stop, before))))
    end
    for _, one in ipairs({'shut_at', now, 'limit', felt * left, 'base', felt * (1 + left) / 2, 'used', 0}) do said[#said + 1] = one end
    redis.call('HDEL', key, 'tat', 'tat:bulk', 'tat:transactional', 'owed', 'waits', 'asked')
  end
  redis.call('HSET', key, unpack(said))
  redis.call('PEXPIRE', key, 3600000 + stop)
end
