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

-- Adds an act of an operator to the audit log, of which the last ten thousand are kept. did: a verb. what: the gate, limit, job, replay, letter
-- or intent, each with its kind. value, before: of a limit, or ''. more: { n (how many it concerned), selection, result }, or nil.
local function note_change(changes, now, did, what, why, by, value, before, more)
  more = more or {}
  redis.call('XADD', changes, 'MAXLEN', 10000, '*', 'at', now, 'did', did, 'what', what, 'why', why, 'by', by, 'value', value, 'before', before,
    'n', more.n or '', 'selection', more.selection or '', 'result', more.result or '')
end
