-- SPDX-License-Identifier: Apache-2.0
local function loop(n)
    local x = 1
    local s = 0
    local i = 0
    while i < n do
        x = x * 1103515245 + 12345 & 0x7fffffff
        if x % 3 == 0 then
            s = s + x
        end
        i = i + 1
    end
    return s
end

print(loop(tonumber(arg[1])))
