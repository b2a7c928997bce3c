-- Which share of its rate an account uses at `now`, from 0 to 1, after it was told that it asks too
-- much: see heed.lua. Quickly back to nearly what was too much, from there on slowly, then steeper.
-- Only good seconds count: those since the cut, and since the pause that came with it.
local function slowness(state, now)
  local FAST, SLOW, STEEPER = 0.1, 0.005, 0.0005 -- shares a second, and a second squared
  if state.cut_at == 0 then return 1 end
  local good = math.max(0, now - math.max(state.cut_at, state.pause)) / 1000000
  local near = math.max(state.cut_to, 0.9 * state.ceiling)
  local quick = (near - state.cut_to) / FAST
  if good <= quick then return math.min(1, state.cut_to + FAST * good) end
  local slow = good - quick
  return math.min(1, near + SLOW * slow + STEEPER * slow * slow)
end

