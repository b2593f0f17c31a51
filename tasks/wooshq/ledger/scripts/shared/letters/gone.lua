-- gone: letters that are closed or discarded and have left for the history. `letters` still has them, so every list has one order; zset letters_gone says
-- until when they are listed, see score_of_gone.
-- uses clock

-- The score in letters_gone: twice the time, ms, and one more of a letter that was discarded.
local function score_of_gone(state, until_ms)
  return string.format('%.0f', 2 * until_ms + (state == 'discarded' and 1 or 0))
end

-- The state of a letter that has left, or nil.
local function state_of_gone(prefix, letter)
  local score = redis.call('ZSCORE', prefix .. 'letters_gone', letter)
  if not score or math.floor(tonumber(score) / 2) <= tonumber(now_ms()) then return nil end
  return tonumber(score) % 2 == 1 and 'discarded' or 'closed'
end
