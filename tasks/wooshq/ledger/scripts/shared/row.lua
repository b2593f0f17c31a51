-- row: the body in an intent's row. Redis keeps a hash in a third of the memory if no value has more than 64 bytes (hash-max-listpack-value), so
-- a small body is kept in pieces: `0`, `1`, `2` and so on (a number is the shortest name). A larger body is one field, `body`.
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

-- A row as a table of its fields, with the whole body.
local function read_row(key)
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

-- What is left of a row that the history has: its id, as a number in a set. Redis keeps a set of numbers in eight bytes each, up to 512 of them
-- (set-max-intset-entries). So the ids of some 65 seconds (their first eight letters) have a set; when it is full, the next ones go to one of sixteen
-- behind it, by the last letter of the id, then by the one before it, and so on. An id with a digest has a second number, for both together.
local GONE_FULL = 500
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
  gone_newest = gone_newest or redis.call('HGET', prefix .. 'telling', 'gone_newest') or ''
  if string.sub(id, 15, 15) == '7' and id > gone_newest then return nil end -- nearly always: such an id begins with its time
  local set, plain, with, both = prefix .. 'gone:' .. string.sub(id, 1, 8), numbers_of(id, digest)
  for depth = 36, 25, -1 do
    local has = redis.call('SMISMEMBER', set, plain, with, both or with)
    if has[1] == 1 then return digest or '' end
    if has[2] == 1 then return (not both or has[3] == 1) and (digest or '') or '!' end
    if redis.call('SCARD', set) < GONE_FULL then return nil end
    set = set .. string.sub(id, depth, depth)
  end
  return nil
end

-- Whether rows may be in the history that the ledger must still recognise.
local function some_are_gone(prefix, now)
  local v = redis.call('HMGET', prefix .. 'telling', 'gone_till', 'gone_newest')
  gone_newest = v[2] or ''
  return v[1] and tonumber(v[1]) > tonumber(now)
end
