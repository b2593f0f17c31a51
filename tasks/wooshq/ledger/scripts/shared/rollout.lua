-- rollout: the next step of a roll-out begins; after the last one nothing bounds the job any more. Who was asked before is not counted in it.
local function steps_of(text)
  local steps = {}
  for n in string.gmatch(text, '%d+') do steps[#steps + 1] = n end
  return steps
end

-- Who was refused or is in doubt, each counted once: one may be both.
local function gone_wrong(job)
  local v = redis.call('HMGET', job, 'dead', 'unknown', 'dead_in_doubt')
  return tonumber(v[1] or 0) + tonumber(v[2] or 0) - tonumber(v[3] or 0)
end

local function begin_next_step(job)
  local v = redis.call('HMGET', job, 'steps', 'step', 'begun')
  local next_one = tonumber(v[2]) + 1
  local allow = steps_of(v[1])[next_one]
  if allow then
    redis.call('HSET', job, 'step', next_one, 'allow', allow)
  else
    redis.call('HDEL', job, 'allow')
  end
  redis.call('HSET', job, 'step_begun', v[3] or 0, 'step_bad', gone_wrong(job))
end
