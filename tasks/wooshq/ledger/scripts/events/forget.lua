-- forget.lua: the history has these rows, so the ledger forgets them, and it has done the events that told of them. A row that has changed since stays: an
-- event of its change comes. A row that somebody may still need stays until its time is over: of a letter that is open, of a message
-- that Pushwoosh holds, and of a job. A letter that is closed or discarded goes together with the rows of its intent and of its replays, as soon as
-- the history has all of them; its place in the lists stays, see gone.lua.
-- uses clock
-- uses full
-- uses row
-- uses events/gone_ids
-- uses letters/gone
-- uses events/trim
-- KEYS[1]   events   stream
-- KEYS[2]   telling  hash
-- ARGV      how long an id is recognised after its row has gone ms, '1' (the history keeps all that is said of a letter) | '0', the identity of the database
--           that has the rows ('' without rows), how many events, then one entry each, then '<kind> <id> <changed> <until ms>' for each row: when it had
--           changed (or else ended, or was filed) as the history has it, and until when it is needed anyway
-- derived   intent:<id>, letter:<letter>, job:<job>, gone:<time>, letters_gone
-- returns   <rows that have gone>
-- cost      O((rows + replays of letters) × log letters + events); the caller bounds how many
-- moves     none
-- again     another answer, changes only telling: what is forgotten is not there any more
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local prefix = string.match(KEYS[1], '^[^}]*}:')
local keep_ms, n = tonumber(ARGV[1]), tonumber(ARGV[4])
local FINAL = {sent = true, dead = true, expired = true, cancelled = true}
local HEAD, TAIL = 511, 400
local gone, over = 0, {}
local named_till = now + keep_ms -- until when the ledger names something that leaves now
free_first(KEYS[2])

-- Notes that the history has a row as it is now.
local function note(key, changed)
  spread(key)
  redis.call('HSET', key, 'told', changed)
end

-- Whether the history has the row of a letter's intent, and nothing more is to become of it. A message for many letters stays, and is told by itself.
local function is_told(row)
  local v = fields_of(row, 'state', 'told', 'changed', 'ended', 'cancel', 'needed', 'share')
  if not v[1] then return true end
  if v[7] then return FINAL[v[1]] end
  local is_as_told = FINAL[v[1]] and v[2] == (v[3] or v[4])
  return is_as_told and v[5] ~= 'asked' and tonumber(v[6] or 0) <= now and redis.call('PTTL', row) > 0
end

-- Forgets a row of a letter's intent. Ids that are made of a job's recipients are recognised by their letters.
local function drop_intent(row, id)
  local v = fields_of(row, 'state', 'digest', 'share', 'bulk')
  if not v[1] or v[3] then return end
  if not v[4] or v[4] == '' then keep_id(prefix, id, v[2] or nil) end
  redis.call('DEL', row)
  gone = gone + 1
end

-- A letter leaves, if it may.
local function leave_letter(letter)
  local key = prefix .. 'letter:' .. letter
  local v = redis.call('HMGET', key, 'state', 'told', 'changed', 'whole', 'replays')
  if (v[1] ~= 'closed' and v[1] ~= 'discarded') or not v[3] or v[2] ~= v[3] or v[4] ~= v[3] then return end
  local left = redis.call('PTTL', key)
  if left < 0 then return end
  local ids = {letter}
  for id in string.gmatch(v[5] or '', '%S+') do ids[#ids + 1] = id end
  for _, id in ipairs(ids) do
    if not is_told(prefix .. 'intent:' .. id) then return end
  end
  for _, id in ipairs(ids) do drop_intent(prefix .. 'intent:' .. id, id) end
  redis.call('DEL', key)
  redis.call('ZADD', prefix .. 'letters_gone', score_of_gone(v[1], now + left), letter)
  named_till = math.max(named_till, now + left)
  gone = gone + 1
end

local function forget_ended(kind, id, changed)
  local key = prefix .. kind .. ':' .. id
  local v = redis.call('HMGET', key, 'changed', 'ended', 'filed')
  if (v[1] or v[2] or v[3]) ~= changed then return end
  note(key, changed)
  if kind == 'job' then return end
  redis.call('HSET', key, 'whole', ARGV[2] == '1' and changed or '')
  leave_letter(id)
end

-- Of a row that is one text: whether it was sent then, and its digest. Nearly all are that, and a large body need not be read for it.
local function sent_text(key, changed)
  local tail = redis.pcall('GETRANGE', key, -TAIL, -1) -- an error of a row that has fields
  if type(tail) ~= 'string' or string.byte(tail, -1) ~= ENDS_SENT or not string.find(tail, ' ' .. changed .. ' ', 1, true) then return end
  return true, string.match(redis.call('GETRANGE', key, 0, HEAD), '^[^\n]*\n[^\n]*\n[^\n]*\n[^\n]*\n([^\n]*)\n')
end

local function forget_intent(id, changed, till)
  local key = prefix .. 'intent:' .. id
  if till <= now then
    local is_sent, digest = sent_text(key, changed)
    if is_sent and digest then
      keep_id(prefix, id, digest)
      over[#over + 1] = key
      return
    end
  end
  local v = fields_of(key, 'state', 'changed', 'ended', 'cancel', 'letter', 'share', 'digest')
  if not v[1] or not FINAL[v[1]] or (v[2] or v[3]) ~= changed then return end
  local left = redis.call('PTTL', key)
  if v[1] == 'dead' or v[4] == 'asked' or v[5] or v[6] or left < 0 then
    note(key, changed)
    if till > now then redis.call('HSET', key, 'needed', string.format('%.0f', till)) end
    if v[1] == 'dead' or v[5] then leave_letter(v[5] or id) end
    return
  end
  keep_id(prefix, id, v[7] or nil)
  if till > now then
    note(key, changed)
    redis.call('PEXPIRE', key, math.min(left, till - now))
    return
  end
  over[#over + 1] = key
end

for i = n + 5, #ARGV do
  local kind, id, changed, till = string.match(ARGV[i], '^(%S+) (%S+) (%S+) (%S+)$')
  if kind == 'job' or kind == 'letter' then
    forget_ended(kind, id, changed)
  else
    forget_intent(id, changed, tonumber(till))
  end
end
if #over > 0 then gone = gone + redis.call('DEL', unpack(over)) end
keep_ids(KEYS[2], now, keep_ms)
if gone > 0 then -- another database does not have them
  local kept_in = 'kept_in|' .. ARGV[3]
  local before = tonumber(redis.call('HGET', KEYS[2], kept_in) or 0)
  redis.call('HSET', KEYS[2], kept_in, string.format('%.0f', math.max(named_till, before)))
end

local names = {}
for i = 5, n + 4 do names[#names + 1] = ARGV[i] end
done(KEYS[1], KEYS[2], HISTORY, names)
return gone
