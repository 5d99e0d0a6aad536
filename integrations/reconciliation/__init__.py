"""The books of both sides, day by day: what was pushed, what was pulled, what stands here, what the partner says.

`days` says where a day begins and ends, `compute` keeps the totals of what is here, `control` takes the partner's,
`compare` holds them against each other, `doubled` finds days that came twice, `waivers` and `taking` are what people
do about a difference.
"""
