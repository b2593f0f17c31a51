-- events/ended: what every move of an intent to a final state has in common, and how ends are told to those who read them (the history, …).
-- Each run of a script adds one entry to the stream `events`: a field for each kind (the state of an intent, `letter`, `job`, `replay` or `gate`), its
-- value the ids, separated by blanks. The field `again` has those ids among them that had ended before, and have changed. A gate's id is
-- '<shut or opened>|<gate>|<whose>|<hand or nothing>|<until ms, or 0>'. Hash telling: most (how many bytes the stream may have; absent: nobody listens, and nothing is told), bytes (that it has),
-- untold (how many ends were not told, because it was full), untold_at (when the first of them was not, ms).
local told = {}
local ENTRY_BYTES = 24

-- `id` has ended, or what is kept of its end has changed.
local function tell(kind, id)
  local ids = told[kind]
  if ids then ids[#ids + 1] = id else told[kind] = {id} end
end

-- What is kept of an end has changed, and that is no end.
local function tell_changed(kind, id)
  tell(kind, id)
  tell('again', id)
end

-- A gate that was open is shut, or one that was shut is open. whose: the application, '*' for all, then '/<lane>' if only one lane is meant.
local function tell_gate(did, gate, whose, by_hand, until_ms)
  tell('gate', table.concat({did, gate, whose, by_hand and 'hand' or '', string.format('%.0f', until_ms)}, '|'))
end

-- Writes what this run of the script told. Every script that uses this part calls it at its end.
local function tell_all(now)
  if next(told) == nil then return end
  local prefix = string.match(KEYS[1], '^[^}]*}:')
  local v = redis.call('HMGET', prefix .. 'telling', 'most', 'bytes')
  if not v[1] then return end
  local fields, bytes, n = {}, ENTRY_BYTES, 0
  for kind, ids in pairs(told) do
    local text = table.concat(ids, ' ')
    fields[#fields + 1], fields[#fields + 2] = kind, text
    bytes, n = bytes + #kind + #text, n + (kind == 'again' and 0 or #ids)
  end
  if tonumber(v[2] or 0) + bytes > tonumber(v[1]) then
    redis.call('HINCRBY', prefix .. 'telling', 'untold', n)
    redis.call('HSETNX', prefix .. 'telling', 'untold_at', now)
  else
    redis.call('XADD', prefix .. 'events', '*', unpack(fields))
    redis.call('HINCRBY', prefix .. 'telling', 'bytes', bytes)
  end
end

-- What is kept of an end has changed; of a letter that is its end. Of two versions of it, the one with the later `changed` is newer (or `ended`, if it has not changed), even
-- if the clock went back.
local function tell_again(key, kind, id, now)
  local v = redis.call('HMGET', key, 'changed', 'ended')
  redis.call('HSET', key, 'changed', string.format('%.0f', math.max(tonumber(now), tonumber(v[1] or v[2] or 0) + 1)))
  if kind == 'letter' then tell(kind, id) else tell_changed(kind, id) end
end

-- Ends the intent's row. keep_ms: how long the row is kept. fields: more pairs for the row.
local function finish(row, id, state, now, keep_ms, expiry, counts, fields)
  redis.call('ZREM', expiry, id)
  redis.call('HDEL', row, 'begun', 'due')
  redis.call('HSET', row, 'state', state, 'ended', now, unpack(fields))
  redis.call('PEXPIRE', row, keep_ms)
  redis.call('HINCRBY', counts, state, 1)
  tell(state, id)
end

-- Ends a row whose `expires_at` has come, and says in its `detail` what it waited for. from: the state that it was in. gate: the name of the
-- gate that holds it, or nil.
local function finish_expired(row, id, from, now, keep_ms, expiry, counts, fields, gate)
  local v = redis.call('HMGET', row, 'waits_for', 'lane')
  local missing = {
    queued = gate and 'while the gate ' .. gate .. ' held it' or 'while it waited for a worker of the ' .. (v[2] or '') .. ' lane',
    retrying = 'while it waited for ' .. (v[1] or 'its next attempt'),
    sending = 'before it could be sent',
  }
  fields[#fields + 1] = 'detail'
  fields[#fields + 1] = 'its expires_at came ' .. missing[from]
  finish(row, id, 'expired', now, keep_ms, expiry, counts, fields)
end
