-- settle.lua: the holders of claims record how each of them ended.
-- uses clock
-- uses full
-- uses letters
-- uses history
-- uses queue
-- uses gates
-- uses row
-- KEYS[1]   leases       zset
-- KEYS[2]   due          zset
-- KEYS[3]   expiry       zset
-- KEYS[4]   letters      zset
-- KEYS[5]   doubts       stream
-- KEYS[6]   counts       hash
-- KEYS[7]   gates        hash
-- KEYS[8…]  intent:<id>, one per intent
-- ARGV      how long an ended intent is kept ms, how long a letter is kept ms, from how many lost workers on an intent is a suspect, then two
--           per intent: the token, and how it ended. If the API accepted its only call, that is the message code, a blank and the attempt, as
--           they become a part of the row's text. Otherwise it is a JSON object: {event, attempts: [text…], doubt?, code?, unknown?,
--           keep_ms?, reason?, detail?, payload?, wait_ms?, trace? (of this send), waits_for? (it did not fail, and waits for this), unsent?
--           (no call was made: its slot is given back)}
-- derived   events, telling, causes, cause:<cause>, gone:<time>, pace:<application>, queue:<lane>, ring:<lane>, suspects:<lane>, letter:<letter> (its own, or the one that it replays), intent:<letter> (the first intent of a replay that dies),
--           replay:<replay> (of a letter that is replayed), job:<job> (of such a letter)
-- returns   {'settled' (now or before: the history may have it already) | 'lost' (another worker has it, or it is final) *}, one per intent
-- cost      O(intents × (attempts + log ledger)); the caller bounds how many
-- moves     intent sending → sent (accepted), retrying (failed), queued (handed_back), dead (given_up), expired (expire);
--           letter → open (filed), replaying → closed (sent), open (unsent);
--           outcome begun → sent (accepted), dead (given_up), expired (expire)
-- again     same answer, changes only counts: the token stays in the row until another worker takes it; a lost claim is counted as late each
--           time
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local now_text = string.format('%.0f', now)
local out = {}
local counted, over = {}, {}

local function count(what) counted[what] = (counted[what] or 0) + 1 end

-- The message was sent: the commonest end, in few writes. v: its FIELDS, and n, noted, expires, letter.
local function sent(s, row, v)
  local n = tonumber(v.n or 0)
  local fields = {'state', 'sent', 'ended', now, 'code', s.code}
  -- note.lua has recorded the first ones.
  local first = tonumber(v.noted or 0) + 1
  if n + #s.attempts - first + 1 <= 100 then
    for i = first, #s.attempts do
      n = n + 1
      fields[#fields + 1], fields[#fields + 2] = 'a:' .. n, s.attempts[i]
    end
    fields[#fields + 1], fields[#fields + 2] = 'n', n
  else
    for i = first, #s.attempts do remember(row, s.attempts[i]) end
  end
  if s.unknown then fields[#fields + 1], fields[#fields + 2] = 'unknown', s.unknown end
  redis.call('HSET', row, unpack(fields))
  redis.call('PEXPIRE', row, s.keep_ms or ARGV[1])
  if v.noted then redis.call('HDEL', row, 'noted') end
  if v.expires then redis.call('ZREM', KEYS[3], s.id) end
  if v.letter then close_letter(row, s.id, s.code, now, ARGV[2]) end
  tell('sent', s.id)
  count('sent')
end

-- It goes back, or waits.
local function unsent(s, row, v)
  if s.event ~= 'failed' then
    redis.call('HSET', row, 'state', 'queued', 'queued_at', now)
    enqueue(row, s.id, {lane = v.lane, app = v.app, at = v.at, doubts = s.doubt or v.doubts, lost = v.lost}, ARGV[3], now)
    return
  end
  redis.call('HSET', row, 'state', 'retrying', 'due', now + s.wait_ms)
  redis.call('ZADD', KEYS[2], now + s.wait_ms, s.id)
  if s.waits_for then
    redis.call('HSET', row, 'waits_for', s.waits_for)
    redis.call('HINCRBY', row, 'waited_ms', s.wait_ms)
  else
    redis.call('HSETNX', row, 'failed_at', now)
    redis.call('HINCRBY', row, 'rounds', 1)
    count('retrying')
  end
end

local function settle(s, row, v)
  if s.trace then redis.call('HSET', row, 'traced', s.trace) end
  if s.unsent then give_back(prefix_of(row, s.id) .. 'pace:' .. v.app, KEYS[7], v.app, s.unsent) end
  if s.doubt then
    doubt(KEYS[5], row, s.id, now, ARGV[2], s.doubt)
    redis.call('HINCRBY', row, 'doubts', 1)
    count('unknown')
  end
  if s.event == 'accepted' then return sent(s, row, v) end
  for n = tonumber(v.noted or 0) + 1, #s.attempts do remember(row, s.attempts[n]) end
  redis.call('HDEL', row, 'noted', 'begun')
  if s.event == 'given_up' then
    file_letter(row, s.id, now, {KEYS[4], KEYS[3], KEYS[6]}, ARGV[2], s)
  elseif s.event == 'expire' then
    finish_expired(row, s.id, 'sending', now, ARGV[1], KEYS[3], KEYS[6], {})
    reopen_letter(row, s.id, 'expired', ARGV[2])
  else
    unsent(s, row, v)
  end
end

-- Nearly all: the API accepted the only call of an intent whose row is one text. said: message code and attempt.
local function sent_at_once(row, id, text, said)
  redis.call('SET', row, text .. ' ' .. now_text .. ' ' .. said, 'PX', ARGV[1])
  if expires_of(text) then redis.call('ZREM', KEYS[3], id) end
  tell('sent', id)
  count('sent')
end

local FIELDS = {'lane', 'app', 'at', 'doubts', 'lost', 'n', 'noted', 'expires', 'letter'}
free_first(KEYS[6])
local texts = redis.call('MGET', unpack(KEYS, 8))
local id_from, ending = #KEYS[1] + 2, {}
for i = 1, #texts do
  local row, text = KEYS[7 + i], texts[i]
  local id, token, said = string.sub(row, id_from), ARGV[2 + 2 * i], ARGV[3 + 2 * i]
  local held = ending[token]
  if not held then
    held = '\n' .. token .. ' '
    ending[token] = held
  end
  local is_plain = string.byte(said, -1) == ENDS_SENT
  if text and is_plain and string.sub(text, -13 - #held, -14) == held then -- its last line: the token, and 13 digits
    over[#over + 1] = id
    sent_at_once(row, id, text, said)
    out[i] = 'settled'
  else
    local kept = fields_of(row, 'state', 'lease')
    local is_over = not kept[1] and digest_of_gone(string.sub(KEYS[1], 1, -7), id)
    out[i] = (kept[2] == token or is_over) and 'settled' or 'lost'
    if out[i] == 'lost' then
      count('late')
    elseif kept[1] == 'sending' then
      over[#over + 1] = id
      spread(row)
      local v = {}
      for n, value in ipairs(redis.call('HMGET', row, unpack(FIELDS))) do v[FIELDS[n]] = value or nil end
      local code, attempt = string.match(said, '^(%S+) (.*)$')
      local s = is_plain and {event = 'accepted', code = code, attempts = {attempt}} or cjson.decode(said)
      s.id = id
      settle(s, row, v)
    end
  end
end
if #over > 0 then redis.call('ZREM', KEYS[1], unpack(over)) end
for what, n in pairs(counted) do redis.call('HINCRBY', KEYS[6], what, n) end
tell_all(now_text)
return out
