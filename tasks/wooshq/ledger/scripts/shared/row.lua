-- row: an intent's row, in one of two forms.
-- One text (a string): of nearly all intents, from accept to their end: of one that no worker has failed to send. Its lines: when it was accepted
-- and when it expires or '-'; lane; application; version; digest; body, a JSON object without line ends, and a letter (the version before: none); of
-- one that was taken also the token and when it was taken; of one that was sent in the same line also when, the message code, and the attempt, a
-- JSON list. A text only grows at its end: what Lua does not make again costs nothing.
-- The letter keeps texts that are alike apart. Until Redis 7, Lua hashes the last byte of a text and then only every 8th of 250: hundreds of messages
-- that differ in a number had the same hash, and each new one was compared with all of them.
-- Fields (a hash): of every other intent. A script that must write more than the last line makes fields of a text first, see spread.
local ENDS_SENT = 93 -- the last byte, of the attempt

-- Whether a row that is one text waits. Then its last byte is its letter or, of the version before, the '}' of the body; a taken one ends in a digit.
local function is_queued(text)
  local last = string.byte(text, -1)
  return last > 64 and last ~= ENDS_SENT
end

-- Redis keeps a hash in a third of the memory if no value has more than 64 bytes (hash-max-listpack-value), so a small body is kept in pieces: `0`,
-- `1`, `2` and so on (a number is the shortest name). A larger body is one field, `body`.
local PIECE = 64
local PIECES = {'1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13', '14', '15', '16', '17', '18', '19', '20', '21', '22', '23'}

-- Adds a body to a list of fields and values for HSET.
local function add_body(list, body)
  if #body > PIECE * (#PIECES + 1) then
    list[#list + 1], list[#list + 2] = 'body', body
    return
  end
  list[#list + 1], list[#list + 2] = '0', string.sub(body, 1, PIECE)
  for n = 1, math.ceil(#body / PIECE) - 1 do
    list[#list + 1], list[#list + 2] = PIECES[n], string.sub(body, n * PIECE + 1, (n + 1) * PIECE)
  end
end

-- A row that is one text, or false: then it has fields, or is not there. (GET is an error if the row has fields; MGET is not.)
local function packed(key)
  return redis.call('MGET', key)[1]
end

-- The fields that a text means.
local function unpacked(text)
  local at, expires, lane, app, v, digest, body, last =
    string.match(text, '^(%d+) (%S+)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n?([^\n]*)$')
  local row = {state = 'queued', lane = lane, app = app, at = at, v = v, body = string.match(body, '^(.*})%a$') or body}
  if digest ~= '' then row.digest = digest end
  if expires ~= '-' then row.expires = expires end
  if last ~= '' then
    local lease, begun, ended, code, attempt = string.match(last, '^(%S+) (%d+) ?(%d*) ?(%S*) ?(.*)$')
    row.state, row.lease, row.begun, row.fence = 'sending', lease, begun, '1'
    if ended ~= '' then row.state, row.ended, row.code, row['a:1'], row.n = 'sent', ended, code, attempt, '1' end
  end
  return row
end

-- When a row that is one text expires, or nil.
local function expires_of(text)
  local blank, dash = string.byte(text, 14, 15) -- nearly always `at` has 13 digits, and '-' comes
  if blank == 32 and dash == 45 then return nil end
  return string.match(text, '^%d+ (%d+)')
end

-- A row that has fields, as a table, with the whole body.
local function read_fields(key)
  local flat, row = redis.call('HGETALL', key), {}
  for i = 1, #flat, 2 do row[flat[i]] = flat[i + 1] end
  if row['0'] or row.b1 or row['1'] then -- before: `body` and b1, b2…, or `body` and 1, 2…
    local pieces = {row['0'] or row.body}
    for n, name in ipairs(PIECES) do
      pieces[n + 1] = row[name] or row['b' .. name]
      if not pieces[n + 1] then break end
    end
    row.body = table.concat(pieces)
  end
  return row
end

-- A row as a table of its fields, with the whole body.
local function read_row(key)
  local text = packed(key)
  return text and unpacked(text) or read_fields(key)
end

-- Some fields of a row, as HMGET gives them; none of them is the body.
local function fields_of(key, ...)
  local text = packed(key)
  if not text then return redis.call('HMGET', key, ...) end
  local row, values = unpacked(text), {}
  for i, name in ipairs({...}) do values[i] = row[name] or false end
  return values
end

-- Makes fields of a row that is one text. Its first write is DEL.
local function spread(key)
  local text = packed(key)
  if not text then return end
  local row, fields, left = unpacked(text), {}, redis.call('PTTL', key)
  add_body(fields, row.body)
  row.body = nil
  for name, value in pairs(row) do fields[#fields + 1], fields[#fields + 2] = name, value end
  redis.call('DEL', key)
  redis.call('HSET', key, unpack(fields))
  if left > 0 then redis.call('PEXPIRE', key, left) end
end

-- What is left of a row that the history has: its id, as a number in a set. Redis keeps a set of numbers in eight bytes each, up to 512 of them
-- (set-max-intset-entries). So the ids of some 65 seconds (their first eight letters) have a set; when it is full, the next ones go to one of sixteen
-- behind it, by the next letter of their time, and so on: 4 s, 256 ms, 16 ms, 1 ms; what ends together is in few sets. Then by their last letters. An id
-- with a digest has a second number, for both together.
local GONE_FULL = 500
local GONE_SPLIT = {10, 11, 12, 13, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25}
local GONE_SPLIT_BEFORE = {36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25}
local gone_newest

-- A number below 2^63 as Redis reads it. hi: below 2^31, lo: below 2^32.
local function whole(hi, lo)
  local top, low = math.floor(hi / 1e9), hi % 1e9
  for _, part in ipairs({math.floor(lo / 65536), lo % 65536}) do
    low = low * 65536 + part
    top, low = top * 65536 + math.floor(low / 1e9), low % 1e9
  end
  return top > 0 and string.format('%.0f%09.0f', top, low) or string.format('%.0f', low)
end

-- The number of an id, the one of an id that has a digest, and the one of both. They have the last 62 bits of the id, which are random; a set has few.
local function numbers_of(id, digest)
  local hi, lo = tonumber(string.sub(id, 20, 23) .. string.sub(id, 25, 28), 16) % 2 ^ 30, tonumber(string.sub(id, 29, 36), 16)
  if not digest or digest == '' then return whole(hi, lo), whole(hi + 2 ^ 30, lo), nil end
  local d_hi, d_lo = tonumber(string.sub(digest, 1, 8), 16), tonumber(string.sub(digest, 9, 16), 16)
  return whole(hi, lo), whole(hi + 2 ^ 30, lo), whole(bit.bxor(hi, d_hi) % 2 ^ 30, bit.bxor(lo, d_lo) % 2 ^ 32)
end

-- The digest of a row that the history has, or nil: `digest` itself if it has that one or none, or '!' if it has another one.
local function digest_of_gone(prefix, id, digest)
  if #id ~= 36 then return nil end -- ids of ours are UUIDs
  gone_newest = gone_newest or redis.call('HGET', prefix .. 'telling', 'gone_newest') or ''
  if string.sub(id, 15, 15) == '7' and id > gone_newest then return nil end -- nearly always: such an id begins with its time
  local plain, with, both = numbers_of(id, digest)
  -- As they are split, and as they were before: of sets that are full, both have the first one.
  for _, split in ipairs({GONE_SPLIT, GONE_SPLIT_BEFORE}) do
    local set = prefix .. 'gone:' .. string.sub(id, 1, 8)
    for n = 0, #split do
      if n > 0 then set = set .. string.sub(id, split[n], split[n]) end
      local has = redis.call('SMISMEMBER', set, plain, with, both or with)
      if has[1] == 1 then return digest or '' end
      if has[2] == 1 then return (not both or has[3] == 1) and (digest or '') or '!' end
      if redis.call('SCARD', set) < GONE_FULL then
        if n == 0 then return nil end
        break
      end
    end
  end
  return nil
end

-- Whether rows may be in the history that the ledger must still recognise.
local function some_are_gone(prefix, now)
  local v = redis.call('HMGET', prefix .. 'telling', 'gone_till', 'gone_newest')
  gone_newest = v[2] or ''
  return v[1] and tonumber(v[1]) > tonumber(now)
end
