-- ended: what every move to a final state has in common, and what it means for the letter of which the intent is a replay.
-- A letter's key is built from its intent's, which lies in the same shard.
local function letter_key(row, id, letter)
  return string.sub(row, 1, #row - #id - 7) .. 'letter:' .. letter
end

-- Ends the row; fields: extra pairs for it. keep_ms: how long it is remembered.
local function finish(row, id, state, now, keep_ms, expiry, counts, fields)
  redis.call('ZREM', expiry, id)
  redis.call('HDEL', row, 'lease', 'begun', 'gate', 'why', 'due')
  redis.call('HSET', row, 'state', state, 'ended', now, unpack(fields))
  redis.call('PEXPIRE', row, keep_ms)
  redis.call('HINCRBY', counts, state, 1)
end

-- A replay ended without having been sent or having died: its letter waits for a person again, for keep_ms.
local function reopen(row, id, state, keep_ms)
  local letter = redis.call('HGET', row, 'letter')
  if not letter then return end
  local key = letter_key(row, id, letter)
  if redis.call('HGET', key, 'replay') == id then
    redis.call('HSET', key, 'state', 'open', 'note', 'its last replay ' .. id .. ' ended as ' .. state)
    redis.call('HDEL', key, 'replay')
    redis.call('PEXPIRE', key, keep_ms)
  end
end

-- Files the letter of an intent that dies, or opens again the one of which it is a replay.
-- keep: { letter = ms that a letter is kept }
local function bury(row, id, now, letters, expiry, counts, keep_ms, reason, detail, code, payload)
  finish(row, id, 'dead', now, keep_ms, expiry, counts, {'reason', reason, 'detail', detail})
  local letter = redis.call('HGET', row, 'letter')
  local again = letter and true
  letter = letter or id
  local key = letter_key(row, id, letter)
  local v = redis.call('HMGET', row, 'lane', 'app', 'bulk', 'n', 'v')
  redis.call('HSET', key, 'id', letter, 'intent', id, 'reason', reason, 'detail', detail, 'code', code, 'filed', now,
    'lane', v[1] or '', 'app', v[2] or '', 'bulk', v[3] or '', 'v', v[5] or '1', 'state', 'open')
  redis.call('HINCRBY', key, 'attempts', tonumber(v[4] or 0))
  redis.call('HDEL', key, 'replay', 'note', 'edited')
  if payload and payload ~= '' then redis.call('HSET', key, 'payload', payload) end
  redis.call('PEXPIRE', key, keep_ms)
  redis.call('ZADD', letters, now, letter)
  if again then
    -- the first intent's row carries the history that the letter shows: it lives as long as the letter
    redis.call('PEXPIRE', string.sub(row, 1, #row - #id) .. letter, keep_ms)
  end
end

-- A replay that was sent closes its letter, which stays to be seen for keep_ms.
local function close(row, id, code, keep_ms)
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

-- One more line of an intent's history.
local function remember(row, attempt)
  local n = redis.call('HINCRBY', row, 'n', 1)
  redis.call('HSET', row, 'a:' .. n, attempt)
end

-- One more case in which a person may have got a message twice.
local function doubt(doubts, id, now, keep_ms, cause)
  redis.call('XADD', doubts, 'MINID', '~', now - keep_ms, '*', 'id', id, 'at', now, 'cause', cause)
end
