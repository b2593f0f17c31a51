-- queue: where intents wait for a worker. Each lane has one queue (zset) for each application, and a ring (zset) of these applications: a
-- worker serves the one first whose last turn is longest ago. Intents that were held by lost workers wait apart, among the lane's
-- suspects (zset: id → when its turn comes, ms).

-- Added to the rank of an intent in doubt: while a gate is tested, it is not the one that is sent.
local IN_DOUBT = 2e14

-- What all keys of the ledger begin with. row: intent:<id>
local function prefix_of(row, id)
  return string.sub(row, 1, #row - #id - 7)
end

-- The oldest is first, by when it was accepted, ms.
local function queue_rank(accepted, doubts)
  return tonumber(accepted) + (doubts and IN_DOUBT or 0)
end

local function turn_of(now, n)
  return now * 1000 + n
end

-- Puts an intent into its lane. v: { lane, app, at, doubts, lost }, as its row has them. suspect_after: from how many lost workers on an
-- intent is a suspect. rest_ms: for how long a suspect is left alone before its next turn.
local function enqueue(row, id, v, suspect_after, now, rest_ms)
  local prefix = prefix_of(row, id)
  if tonumber(v.lost or 0) >= tonumber(suspect_after) then
    redis.call('ZADD', prefix .. 'suspects:' .. v.lane, now + (rest_ms or 0), id)
  else
    redis.call('ZADD', prefix .. 'queue:' .. v.lane .. ':' .. v.app, queue_rank(v.at, v.doubts), id)
    redis.call('ZADD', prefix .. 'ring:' .. v.lane, 'NX', turn_of(now, 0), v.app)
  end
end

-- Takes an intent out of its lane. An application whose queue is empty leaves the ring at its next turn.
local function unqueue(row, id, lane, app)
  local prefix = prefix_of(row, id)
  redis.call('ZREM', prefix .. 'queue:' .. lane .. ':' .. app, id)
  redis.call('ZREM', prefix .. 'suspects:' .. lane, id)
end
