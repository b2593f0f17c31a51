-- letters: the life of a dead letter, and of its outcome in a replay. Every move of a letter is made here.
-- uses events/ended
-- uses letters/causes

local OUTCOMES = {S = 'sent', D = 'dead', E = 'expired', C = 'cancelled', X = 'left_out'}

-- What all keys of the ledger begin with. row: intent:<id>
local function ledger_of(row, id)
  return string.sub(row, 1, #row - #id - 7)
end

-- The letter's id is the id of the intent that died first. Its key is built from an intent's key: both are in one shard.
local function letter_key(row, id, letter)
  return ledger_of(row, id) .. 'letter:' .. letter
end

-- Changes the outcome of a letter in a replay, if it is `from` now. held_by: '<replay> <place>', as the letter has it. Returns the key of the
-- replay, or nil.
local function set_outcome(prefix, held_by, from, to)
  local id, place = string.match(held_by, '^(%S+) (%d+)$')
  local replay = prefix .. 'replay:' .. id
  if redis.call('GETRANGE', replay .. ':outcomes', place, place) ~= from then return nil end
  redis.call('SETRANGE', replay .. ':outcomes', place, to)
  if from == 'b' then redis.call('HINCRBY', replay, 'begun', -1) end
  if to == 'b' then redis.call('HINCRBY', replay, 'begun', 1) end
  if OUTCOMES[to] then redis.call('HINCRBY', replay, OUTCOMES[to], 1) end
  return replay
end

-- The intent that a letter became has ended. held_by: of the letter, or nil.
local function end_outcome(prefix, held_by, intent, outcome)
  if not held_by then return end
  local replay = set_outcome(prefix, held_by, 'b', outcome)
  if not replay then return end
  redis.call('SREM', replay .. ':flying', intent)
  redis.call('HINCRBY', replay, 'w_ended', 1)
  if outcome == 'D' then redis.call('HINCRBY', replay, 'w_bad', 1) end
end

-- An intent that was sent for many letters has ended: its replay lets the letters follow, see follow.lua.
local function let_letters_follow(row, id, replay)
  redis.call('RPUSH', ledger_of(row, id) .. 'replay:' .. replay .. ':shared', id)
  redis.call('PERSIST', row)
end

-- Files a letter of an intent that died. v: of the intent: lane, app, bulk, version, and how often it was sent. why: see file_letter.
local function file_one(key, prefix, letter, id, v, now, letters, counts, keep_ms, why)
  local held_by = redis.call('HGET', key, 'held_by')
  redis.call('HSET', key, 'id', letter, 'intent', id, 'reason', why.reason, 'detail', why.detail, 'code', why.code or '', 'filed', now,
    'lane', v.lane or '', 'app', v.app or '', 'bulk', v.bulk or '', 'v', v.v or '1', 'state', 'open')
  redis.call('HINCRBY', key, 'attempts', tonumber(v.n or 0))
  redis.call('HDEL', key, 'replay', 'note', 'edited', 'held_by')
  if why.payload and why.payload ~= '' then redis.call('HSET', key, 'payload', why.payload) end
  if held_by then redis.call('HINCRBY', key, 'vain', 1) end
  redis.call('PEXPIRE', key, keep_ms)
  redis.call('ZADD', letters, now, letter)
  count_open(prefix, letter, {why.reason, why.detail, v.app}, now, tonumber(keep_ms), now)
  redis.call('HINCRBY', counts, 'dead_' .. why.reason, 1)
  end_outcome(prefix, held_by, id, 'D')
end

-- An intent dies. Its letter is filed; if the intent is a replay, the letter that it replays opens again.
-- keys: { letters, expiry, counts }. why: { reason, detail, code, payload }. keep_ms: how long the letter is kept.
local function file_letter(row, id, now, keys, keep_ms, why)
  finish(row, id, 'dead', now, keep_ms, keys[2], keys[3], {'reason', why.reason, 'detail', why.detail})
  local v = redis.call('HMGET', row, 'letter', 'lane', 'app', 'bulk', 'n', 'v', 'share')
  if v[7] then
    redis.call('HSET', row, 'died_of', cjson.encode({code = why.code, payload = why.payload}))
    return let_letters_follow(row, id, v[7])
  end
  local letter = v[1] or id
  local intent = {lane = v[2] or nil, app = v[3] or nil, bulk = v[4] or nil, n = v[5] or nil, v = v[6] or nil}
  file_one(letter_key(row, id, letter), ledger_of(row, id), letter, id, intent, now, keys[1], keys[3], keep_ms, why)
  if v[1] then
    -- The first intent's row has the history that the letter shows, so it is kept as long as the letter.
    redis.call('PEXPIRE', string.sub(row, 1, #row - #id) .. letter, keep_ms)
  end
end

-- A replay of an open letter begins. The letter is kept until the replay has ended.
local function begin_replay(key, prefix, letter, intent, replays)
  count_closed(prefix, letter, redis.call('HMGET', key, 'reason', 'detail', 'app'))
  redis.call('HSET', key, 'state', 'replaying', 'replay', intent, 'replays', (replays and replays .. ' ' or '') .. intent)
  redis.call('HDEL', key, 'note')
  redis.call('PERSIST', key)
end

-- Closes a letter whose replay was sent. n: how often. unknown: the API does not know the recipient.
local function close_one(key, prefix, id, code, n, now, keep_ms, unknown)
  local v = redis.call('HMGET', key, 'id', 'held_by', 'bulk')
  if not v[1] then return end
  redis.call('HSET', key, 'state', 'closed', 'message_code', code)
  redis.call('HINCRBY', key, 'attempts', tonumber(n or 0))
  redis.call('HDEL', key, 'replay', 'held_by')
  redis.call('PEXPIRE', key, keep_ms)
  tell_again(key, 'letter', v[1], now)
  local job = v[3] and v[3] ~= '' and prefix .. 'job:' .. v[3]
  if job and redis.call('EXISTS', job) == 1 then
    redis.call('HINCRBY', job, unknown and 'unknown_later' or 'sent_later', 1)
    if redis.call('HGET', job, 'ended') then tell_again(job, 'job', v[3], now) end
  end
  end_outcome(prefix, v[2], id, 'S')
end

-- An intent was sent. If it is a replay, its letter closes, and is kept for keep_ms.
local function close_letter(row, id, code, now, keep_ms)
  local v = redis.call('HMGET', row, 'letter', 'n', 'share', 'unknown')
  if not v[1] then return end
  if v[3] then return let_letters_follow(row, id, v[3]) end
  close_one(letter_key(row, id, v[1]), ledger_of(row, id), id, code, v[2], now, keep_ms, v[4])
end

-- Opens a letter again whose replay was not sent. outcome: in the replay; nil if the letter stays in it.
local function reopen_one(key, prefix, id, note, keep_ms, outcome)
  local v = redis.call('HMGET', key, 'replay', 'held_by', 'id', 'reason', 'detail', 'app', 'filed')
  if v[1] ~= id then return end
  redis.call('HSET', key, 'state', 'open', 'note', note)
  redis.call('HDEL', key, 'replay')
  redis.call('PEXPIRE', key, keep_ms)
  count_open(prefix, v[3], {v[4], v[5], v[6]}, v[7], tonumber(keep_ms))
  if outcome then
    redis.call('HDEL', key, 'held_by')
    end_outcome(prefix, v[2], id, outcome)
  end
end

-- An intent expired or was cancelled. If it is a replay, its letter opens again, and is kept for keep_ms.
local function reopen_letter(row, id, state, keep_ms)
  local v = redis.call('HMGET', row, 'letter', 'share')
  if not v[1] then return end
  if v[2] then return let_letters_follow(row, id, v[2]) end
  reopen_one(letter_key(row, id, v[1]), ledger_of(row, id), id, 'its last replay ' .. id .. ' ended as ' .. state, keep_ms,
    state == 'expired' and 'E' or 'C')
end

-- What the replay of an open letter will send.
local function edit_letter(key, body, version)
  redis.call('HSET', key, 'edited', body, 'v', version)
end

-- An open letter does not have to be sent.
local function discard_letter(key, prefix, letter, why, now)
  count_closed(prefix, letter, redis.call('HMGET', key, 'reason', 'detail', 'app'))
  redis.call('HSET', key, 'state', 'discarded', 'note', why)
  tell_again(key, 'letter', letter, now)
end
