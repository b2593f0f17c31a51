-- settle.lua: the holders of claims record how each of them ended.
-- uses clock
-- uses full
-- uses letters
-- uses history
-- uses queue
-- uses unsent
-- KEYS[1]   leases       zset
-- KEYS[2]   due          zset
-- KEYS[3]   expiry       zset
-- KEYS[4]   letters      zset
-- KEYS[5]   doubts       stream
-- KEYS[6]   counts       hash
-- KEYS[7]   gates        hash
-- KEYS[8…]  intent:<id>  hash, one per intent
-- ARGV      how long an ended intent is kept ms, how long a letter is kept ms, from how many lost workers on an intent is a suspect, then
--           one JSON object per intent: {id, token, event, attempts: [text…], doubt?, code?, unknown?, keep_ms?, reason?, detail?, payload?,
--           wait_ms?, waits_for? (it did not fail, and waits for this), unsent? (no call was made: its slot is given back)}
-- derived   pace:<application>, queue:<lane>, ring:<lane>, suspects:<lane>, letter:<letter> (its own, or the one that it replays), intent:<letter> (the first intent of a replay that dies)
-- returns   {'settled' | 'lost' (another worker has it, or it is final) *}, one per intent
-- cost      O(intents × (attempts + log ledger)); the caller bounds how many
-- moves     intent sending → sent (accepted), retrying (failed), queued (handed_back), dead (given_up), expired (expire);
--           letter → open (filed), replaying → closed (sent), open (unsent)
-- again     same answer, changes only counts: the token stays in the row; a lost claim is counted as late each time
-- memory    works in a full Redis: the first write is ZREM or HDEL
local now = now_ms()
local out = {}
for i = 4, #ARGV do
  local s = cjson.decode(ARGV[i])
  local row = KEYS[4 + i]
  local v = redis.call('HMGET', row, 'state', 'lease', 'last', 'lane', 'at', 'doubts', 'noted', 'app', 'lost')
  if v[1] == 'sending' and v[2] == s.token then
    redis.call('ZREM', KEYS[1], s.id)
    redis.call('HSET', row, 'last', s.token)
    if s.unsent then give_back(prefix_of(row, s.id) .. 'pace:' .. v[8], KEYS[7], v[8], s.unsent) end
    -- note.lua has recorded the first ones.
    for n = tonumber(v[7] or 0) + 1, #s.attempts do remember(row, s.attempts[n]) end
    redis.call('HDEL', row, 'noted')
    if s.doubt then
      doubt(KEYS[5], s.id, now, ARGV[2], s.doubt)
      redis.call('HINCRBY', row, 'doubts', 1)
      redis.call('HINCRBY', KEYS[6], 'unknown', 1)
    end
    if s.event == 'accepted' then
      finish(row, s.id, 'sent', now, s.keep_ms or ARGV[1], KEYS[3], KEYS[6], {'code', s.code})
      if s.unknown then redis.call('HSET', row, 'unknown', s.unknown) end
      close_letter(row, s.id, s.code, ARGV[2])
    elseif s.event == 'given_up' then
      file_letter(row, s.id, now, {KEYS[4], KEYS[3], KEYS[6]}, ARGV[2], s)
    elseif s.event == 'expire' then
      finish_expired(row, s.id, 'sending', now, ARGV[1], KEYS[3], KEYS[6], {})
      reopen_letter(row, s.id, 'expired', ARGV[2])
    else
      redis.call('HDEL', row, 'lease', 'begun')
      if s.event == 'failed' then
        redis.call('HSET', row, 'state', 'retrying', 'due', now + s.wait_ms)
        redis.call('ZADD', KEYS[2], now + s.wait_ms, s.id)
        if s.waits_for then
          redis.call('HSET', row, 'waits_for', s.waits_for)
          redis.call('HINCRBY', row, 'waited_ms', s.wait_ms)
        else
          redis.call('HSETNX', row, 'failed_at', now)
          redis.call('HINCRBY', row, 'rounds', 1)
          redis.call('HINCRBY', KEYS[6], 'retrying', 1)
        end
      else
        redis.call('HSET', row, 'state', 'queued', 'queued_at', now)
        enqueue(row, s.id, {lane = v[4], app = v[8], at = v[5], doubts = s.doubt or v[6], lost = v[9]}, ARGV[3], now)
      end
    end
    out[#out + 1] = 'settled'
  elseif v[3] == s.token then
    out[#out + 1] = 'settled'
  else
    free_first(KEYS[6])
    redis.call('HINCRBY', KEYS[6], 'late', 1)
    out[#out + 1] = 'lost'
  end
end
return out
