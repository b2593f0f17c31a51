-- history: what stays on record: the attempts of an intent, the cases in doubt, and what people changed.

-- Adds one attempt (JSON) to an intent's row. The first ten and the last ninety are kept: an intent that tests a gate for days has thousands.
local function remember(row, attempt)
  local n = redis.call('HINCRBY', row, 'n', 1)
  redis.call('HSET', row, 'a:' .. n, attempt)
  if n > 100 then redis.call('HDEL', row, 'a:' .. n - 90) end
end

-- Adds one intent that is in doubt. Its row has the causes, too.
local function doubt(doubts, row, id, now, keep_ms, cause)
  local before = redis.call('HGET', row, 'causes')
  redis.call('HSET', row, 'causes', (before and before .. '\n' or '') .. cause)
  redis.call('XADD', doubts, 'MINID', '~', now - keep_ms, '*', 'id', id, 'at', now, 'cause', cause)
end

-- Acts in the stream `changes`: the last ten thousand. While somebody keeps a history (hash telling: heard|history), also those that it does not have
-- yet, up to a quarter of `most` bytes; above that the oldest go, and telling counts them (acts_lost). telling: acts_kept (the newest act that the
-- history has), acts_bytes (of all in the stream since a history was kept).
local MOST_ACTS = 10000

local function act_bytes(fields)
  local bytes = 100
  for _, text in ipairs(fields) do bytes = bytes + #text end
  return bytes
end

local function is_later(id, other)
  local ms, n = string.match(id, '^(%d+)-(%d+)$')
  local other_ms, other_n = string.match(other, '^(%d+)-(%d+)$')
  ms, other_ms = tonumber(ms), tonumber(other_ms)
  return ms > other_ms or (ms == other_ms and tonumber(n) > tonumber(other_n))
end

-- Removes the oldest acts that need not be kept, at most `limit` of them.
local function trim_acts(changes, telling, limit)
  local over = redis.call('XLEN', changes) - MOST_ACTS
  if over <= 0 then return end
  local v = redis.call('HMGET', telling, 'most', 'acts_bytes', 'acts_kept')
  if not v[1] then return end
  local bytes, lost = tonumber(v[2] or 0), 0
  for _, entry in ipairs(redis.call('XRANGE', changes, '-', '+', 'COUNT', math.min(over, limit))) do
    local is_kept = v[3] and not is_later(entry[1], v[3])
    if not is_kept and bytes <= tonumber(v[1]) / 4 then break end
    if not is_kept then lost = lost + 1 end
    bytes = math.max(0, bytes - act_bytes(entry[2]))
    redis.call('XDEL', changes, entry[1])
  end
  redis.call('HSET', telling, 'acts_bytes', bytes)
  if lost > 0 then redis.call('HINCRBY', telling, 'acts_lost', lost) end
end

-- Adds an act to the stream, with these fields and values.
local function add_act(changes, fields)
  local telling = string.match(changes, '^[^}]*}:') .. 'telling'
  local v = redis.call('HMGET', telling, 'most', 'heard|history')
  if not v[1] or not v[2] then
    redis.call('XADD', changes, 'MAXLEN', MOST_ACTS, '*', unpack(fields))
    return
  end
  redis.call('XADD', changes, '*', unpack(fields))
  redis.call('HINCRBY', telling, 'acts_bytes', act_bytes(fields))
  trim_acts(changes, telling, 100)
end

-- Adds an act of an operator to the audit log. did: a verb. what: the gate, limit, job, replay, letter or intent, each with its kind. value, before:
-- of a limit, or ''. more: { n (how many it concerned), selection, result }, or nil.
local function note_change(changes, now, did, what, why, by, value, before, more)
  more = more or {}
  add_act(changes, {'at', string.format('%.0f', now), 'did', did, 'what', what, 'why', why, 'by', by, 'value', tostring(value),
    'before', tostring(before), 'n', tostring(more.n or ''), 'selection', more.selection or '', 'result', more.result or ''})
end
