-- SPDX-License-Identifier: Apache-2.0
local function build(n)
    local parts = {}
    for i = 0, n - 1 do
        parts[#parts + 1] = "item " .. tostring(i) .. ";"
    end
    local all = table.concat(parts)
    local s = ""
    for i = 0, n // 100 - 1 do
        s = s .. "x" .. tostring(i % 10)
    end
    return #all + #s
end

print(build(tonumber(arg[1])))
