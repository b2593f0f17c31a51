-- letters: the life of a dead letter. Every move of a letter is made here.
-- uses ended

-- The letter's id is the id of the intent that died first. Its key is built from an intent's key: both are in one shard.
local function letter_key(row, id, letter)
  return string.sub(row, 1, #row - #id - 7) .. 'letter:' .. letter
end

-- An intent dies. Its letter is filed; if the intent is a replay, the letter that it replays opens again.
-- keys: { letters, expiry, counts }. why: { reason, detail, code, payload }. keep_ms: how long the letter is kept.
local function file_letter(row, id, now, keys, keep_ms, why)
  finish(row, id, 'dead', now, keep_ms, keys[2], keys[3], {'reason', why.reason, 'detail', why.detail})
  local v = redis.call('HMGET', row, 'letter', 'lane', 'app', 'bulk', 'n', 'v')
  local letter = v[1] or id
  local key = letter_key(row, id, letter)
  redis.call('HSET', key, 'id', letter, 'intent', id, 'reason', why.reason, 'detail', why.detail, 'code', why.code or '', 'filed', now,
    'lane', v[2] or '', 'app', v[3] or '', 'bulk', v[4] or '', 'v', v[6] or '1', 'state', 'open')
  redis.call('HINCRBY', key, 'attempts', tonumber(v[5] or 0))
  redis.call('HDEL', key, 'replay', 'note', 'edited')
  if why.payload and why.payload ~= '' then redis.call('HSET', key, 'payload', why.payload) end
  redis.call('PEXPIRE', key, keep_ms)
  redis.call('ZADD', keys[1], now, letter)
  if v[1] then
    -- The first intent's row has the history that the letter shows, so it is kept as long as the letter.
    redis.call('PEXPIRE', string.sub(row, 1, #row - #id) .. letter, keep_ms)
  end
end

-- A replay of an open letter begins. The letter is kept until the replay has ended.
local function begin_replay(key, intent, replays)
  redis.call('HSET', key, 'state', 'replaying', 'replay', intent, 'replays', (replays and replays .. ' ' or '') .. intent)
  redis.call('HDEL', key, 'note')
  redis.call('PERSIST', key)
end

-- An intent was sent. If it is a replay, its letter closes, and is kept for keep_ms.
local function close_letter(row, id, code, keep_ms)
  local letter = redis.call('HGET', row, 'letter')
  if not letter then return end
  local key = letter_key(row, id, letter)
  if redis.call('EXISTS', key) == 1 then
    redis.call('HSET', key, 'state', 'closed', 'message_code', code)
    redis.call('HINCRBY', key, 'attempts', tonumber(redis.call('HGET', row, 'n') or 0))
    redis.call('HDEL', key, 'replay')
    redis.call('PEXPIRE', key, keep_ms)
  end
end

-- An intent expired or was cancelled. If it is a replay, its letter opens again, and is kept for keep_ms.
local function reopen_letter(row, id, state, keep_ms)
  local letter = redis.call('HGET', row, 'letter')
  if not letter then return end
  local key = letter_key(row, id, letter)
  if redis.call('HGET', key, 'replay') == id then
    redis.call('HSET', key, 'state', 'open', 'note', 'its last replay ' .. id .. ' ended as ' .. state)
    redis.call('HDEL', key, 'replay')
    redis.call('PEXPIRE', key, keep_ms)
  end
end

-- What the replay of an open letter will send.
local function edit_letter(key, body, version)
  redis.call('HSET', key, 'edited', body, 'v', version)
end

-- An open letter does not have to be sent.
local function discard_letter(key, why)
  redis.call('HSET', key, 'state', 'discarded', 'note', why)
end
