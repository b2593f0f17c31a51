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

-- What is left of a row that the history has: its digest, under the rest of its id in a hash of ids that were made at about the same time.
local function gone_place(prefix, id)
  return prefix .. 'gone:' .. string.sub(id, 1, 8) .. string.sub(id, 10, 10) .. string.sub(id, 36, 36), string.sub(id, 11, 35)
end

-- The digest of a row that the history has ('' if it had none), or nil.
local function digest_of_gone(prefix, id)
  return redis.call('HGET', gone_place(prefix, id)) or nil
end

-- Whether rows may be in the history that the ledger must still recognise.
local function some_are_gone(prefix, now)
  local till = redis.call('HGET', prefix .. 'telling', 'gone_till')
  return till and tonumber(till) > tonumber(now)
end
