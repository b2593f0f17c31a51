-- take_over.lua: leases have ended, so their workers are lost. The intents go back or die; an intent that may have left is in doubt.
-- uses clock
-- uses letters
-- uses history
-- uses queue
-- uses row
-- KEYS[1]   leases       zset
-- KEYS[2]   letters      zset
-- KEYS[3]   expiry       zset
-- KEYS[4]   doubts       stream
-- KEYS[5]   counts       hash
-- KEYS[6…]  intent:<id>, one per intent
-- ARGV      from how many lost workers on an intent is a suspect, and poison, how long a letter is kept ms, for how long a suspect is left
--           alone ms (doubled with each further lost worker: many workers that are lost for another reason must not make it poison), then
--           two per intent: id, on_unknown
-- derived   events, telling, causes, cause:<cause>, queue:<lane>, ring:<lane>, suspects:<lane>, letter:<letter> (its own, or the one that it replays), intent:<letter> (the first
--           intent of a replay that dies),
--           replay:<replay> (of a letter that is replayed)
-- returns   {<id> *}, those that are queued again
-- cost      O(intents × log ledger); the caller bounds how many
-- moves     intent sending → queued (lease_ended), dead (given_up); letter → open (filed), replaying → open (unsent);
--           outcome begun → dead (given_up)
-- again     another answer, changes nothing: an intent that was moved has no lease any more
-- memory    works in a full Redis: the first write is ZREM
local now = now_ms()
local out = {}
for i = 0, (#ARGV - 4) / 2 - 1 do
  local id, on_unknown, row = ARGV[5 + 2 * i], ARGV[6 + 2 * i], KEYS[6 + i]
  local ends = redis.call('ZSCORE', KEYS[1], id)
  if ends and tonumber(ends) <= now then
    redis.call('ZREM', KEYS[1], id)
    local v = fields_of(row, 'state', 'lane', 'begun', 'lost', 'app', 'at', 'doubts')
    if v[1] == 'sending' then
      local lost = tonumber(v[4] or 0) + 1
      spread(row)
      redis.call('HDEL', row, 'noted')
      redis.call('HSET', row, 'lost', lost)
      if v[3] then
        remember(row, cjson.encode({at_ms = tonumber(v[3]), outcome = 'unknown', code = 'WORKER_LOST',
          error = 'the worker was lost before it could record the outcome of the call'}))
        doubt(KEYS[4], row, id, now, ARGV[3], 'worker lost while sending')
        redis.call('HINCRBY', KEYS[5], 'unknown', 1)
      end
      if lost >= tonumber(ARGV[2]) then
        file_letter(row, id, now, {KEYS[2], KEYS[3], KEYS[5]}, ARGV[3],
          {reason = 'poison', detail = lost .. ' workers were lost while they held it', code = 'WORKER_LOST'})
      elseif v[3] and on_unknown == 'dead_letter' then
        file_letter(row, id, now, {KEYS[2], KEYS[3], KEYS[5]}, ARGV[3],
          {reason = 'unknown', detail = 'the worker that sent it was lost before the answer came', code = 'WORKER_LOST'})
      else
        redis.call('HDEL', row, 'lease', 'begun')
        redis.call('HSET', row, 'state', 'queued', 'queued_at', now)
        enqueue(row, id, {lane = v[2], app = v[5], at = v[6], doubts = v[7], lost = lost}, ARGV[1], now,
          tonumber(ARGV[4]) * 2 ^ (lost - tonumber(ARGV[1])))
        out[#out + 1] = id
      end
    end
  end
end
tell_all(now)
return out
