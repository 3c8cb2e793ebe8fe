{"schema": 1, "run": "36d9a46d7df14103897f263a8c691ed1", "items": 1}
