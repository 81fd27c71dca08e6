package commission

// The languages of the walk.
const (
	Chinese = "zh-TW"
	English = "en"
)

// text is what the installer reads: in Chinese, in English.
type text [2]string

// What is said before the first lock.
var (
	greeting = text{
		"鎖櫃 %s：%d 塊板、%d 個鎖位、%d 扇門。逐一開鎖，請告訴我是哪一扇門動了。\n隨時可輸入 q 停止；已學到的會保留，下次接著做。",
		"Bank %s: %d boards, %d locks, %d doors. I open one lock after another; tell me which door moved.\nType q at any time to stop; what was learnt is kept, and the next run goes on there.",
	}
	wasKept = text{
		"接續上次：%d 扇門已經認得。要從頭來請加 --again。",
		"Going on from before: %d doors are known already. Start anew with --again.",
	}
	otherWiring = text{
		"上次的紀錄是另一種接線（板、線路或協定已變更），不採用。",
		"What was kept is of another wiring (boards, line or protocol have changed), and counts for nothing.",
	}
	parcelsInside = text{
		"這些門裡可能有包裹：%s。任何一個鎖都可能打開它們。",
		"There may be parcels behind these doors: %s. Any lock may open them.",
	}
	mayOpen = text{
		"門 %d（%s）：可以打開請輸入 %[1]d；不要打開請輸入 s：",
		"Door %d (%s): type %[1]d if it may be opened, s if not:",
	}
	cannotKeepShut = text{
		"還沒證實哪個鎖開哪扇門，無法保證門 %d 不會打開。請先取出包裹，或輸入 %[1]d 同意。",
		"Nothing proves yet which lock opens which door, so door %d may open whatever I do. Take the parcel out first, or type %[1]d to agree.",
	}
	keptShut = text{
		"門 %d 不開，沿用設定裡的鎖 %d。",
		"Door %d stays shut and keeps lock %d, as configured.",
	}
	closeAll = text{
		"請把所有的門關好，然後按 Enter：",
		"Close all doors, then press Enter:",
	}
	noAnswer = text{
		"板子沒有回答：\n%v",
		"The boards do not all answer:\n%v",
	}
	askAgain = text{
		"處理好後按 Enter 再試：",
		"Mend it and press Enter to try again:",
	}
	leftPending = text{
		"上次在開鎖 %d 時中斷，沒看到結果；已記錄。我不會自己再開一次。",
		"The last run broke off while opening lock %d, and nobody saw what came of it; that is recorded now. I do not open it again by myself.",
	}
)

// What is said at a lock.
var (
	nextLock = text{
		"\n鎖 %d（板 %d 的第 %d 鎖），還有 %d 扇門。按 Enter 開鎖；s 略過：",
		"\nLock %d (board %d, lock %d there), %d doors to go. Enter opens it; s skips it:",
	}
	readsOpen = text{
		"鎖 %d 讀起來是開著的（已認得的鎖關上時是 %d，它是 %d）。若門開著，請關好。若每扇門都關著，\n這個鎖的開關和其他的相反（換線或換鎖），或這個鎖位沒有接鎖（輸入 s）。",
		"Lock %d reads open (the locks known so far read %d when closed, this one reads %d). If a door is open, close it. If all\nare closed, this lock's switch works the other way round (rewire or replace it), or nothing is wired here (type s).",
	}
	enterOrSkip = text{
		"按 Enter 再讀一次；s 略過：",
		"Enter reads again; s skips:",
	}
	tooOften = text{
		"這個鎖一分鐘內已經開了 %d 次，請等 %d 秒再開，以免線圈過熱。",
		"This lock was energised %d times within a minute. Wait %d seconds, or its coil overheats.",
	}
	notSent = text{
		"沒有送出開鎖：\n%v",
		"Nothing was energised:\n%v",
	}
	sawSilent = text{
		"已開鎖 %d，但板子之後沒有回答：不知道門有沒有開。請看門，檢查電源（電磁鎖動作時電壓是否下降），再試一次。",
		"Lock %d was energised, and its board has not answered since: nobody knows whether it opened. Look at the doors, check the\nsupply (does its voltage drop while a latch moves?), and try again.",
	}
	sawStill = text{
		"鎖 %d 的位元沒有變。門開了：回授線沒接好。門沒開：門卡住（推一下）、線圈沒接，或這個鎖位沒有接鎖（輸入 s）。",
		"The bit of lock %d has not changed. If a door opened, its feedback wire is off. If none did: the door jams (push it), the\ncoil is unplugged, or nothing is wired here (type s).",
	}
	sawSeveral = text{
		"開鎖 %d 時有好幾個位元變了（鎖 %s）。可能同時有人開了別的門，或接線相碰。把門都關好，再試一次。",
		"More than one bit changed with lock %d (locks %s). Somebody may have opened another door, or wires touch. Close all\ndoors and try again.",
	}
	sawCrossed = text{
		"開鎖 %d，變的卻是鎖 %d 的位元：兩個鎖的線圈線和回授線接反了。換好線，關門，再試一次。",
		"Lock %d was energised, and the bit of lock %d changed: the coil and feedback wires of the two are crossed. Rewire them,\nclose the door and try again.",
	}
	whichDoor = text{
		"哪一扇門動了？輸入門上的號碼（n：沒有門動；s：略過）：",
		"Which door moved? Type its painted number (n: none; s: skip):",
	}
	noDoorMoved = text{
		"位元變了，鎖應該開了。請拉每一扇門看看：可能門卡住，或開的是沒有門的鎖（輸入 s）。",
		"The bit changed, so a latch should be open. Pull at the doors: one may jam, or the latch has no door (type s).",
	}
	noSuchDoor = text{
		"設定裡沒有 %q 這扇門。有：%s。請再看門上的號碼；若號碼沒錯，先改設定的 columns。",
		"The configuration has no door %q. It has %s. Look at the number again; if it is right, mend columns in the configuration first.",
	}
	doorTaken = text{
		"門 %d 已經是鎖 %d。若是那次打錯，輸入 %[1]d!，鎖 %[2]d 會再走一次；否則請再看一次號碼。",
		"Door %d is lock %d already. If that was the mistake, type %[1]d! and lock %[2]d is walked again; else look at the number again.",
	}
	openedKept = text{
		"注意：門 %d 裡有包裹，原本不該打開。請顧好它，關上門。",
		"Take care: there is a parcel behind door %d, which was not to be opened. Look after it and close the door.",
	}
	handInside = text{
		"手伸進門 %d 裡不動，按 Enter（n：沒有感應器）：",
		"Hold a hand inside door %d and press Enter (n: there is no sensor):",
	}
	handOutside = text{
		"手拿出來，裡面清空，按 Enter：",
		"Take it out, leave nothing inside, and press Enter:",
	}
	handUnseen = text{
		"感應器沒有變化（或裡面原本就有東西）。清空、擦乾淨再試，或輸入 n。",
		"The sensor saw no difference (or something lies inside). Empty it, wipe it and try again, or type n.",
	}
	closeDoor = text{
		"關上門 %d，按 Enter：",
		"Close door %d and press Enter:",
	}
	notClosed = text{
		"門 %d 讀起來還開著：推到卡榫響為止（s：略過這個鎖）。",
		"Door %d still reads open: push until it clicks (s: skip this lock).",
	}
	learntOne = text{
		"鎖 %d 是門 %d，關上時位元是 %d。已保存。",
		"Lock %d is door %d; its bit is %d when closed. Kept.",
	}
)

// What is said at the end.
var (
	missing = text{
		"\n鎖都走過了，這些門還沒找到：%s。修好後按 Enter 再走略過的鎖；不修就把它們從設定的 columns 拿掉，再執行一次：",
		"\nAll locks are walked, and these doors were not found: %s. Mend them and press Enter to walk the skipped locks again; or take\nthem out of columns in the configuration and run this again:",
	}
	keptDisagrees = text{
		"門 %d（不開）的鎖 %d 讀起來是開著的：關好它，或先取出包裹、讓它也走一次。按 Enter 再讀：",
		"Door %d, which stays shut, has lock %d, and that reads open: close it, or take the parcel out and let it be walked. Enter reads\nagain:",
	}
	sensorsSeen = text{
		"感應器：每扇門都看得到（item_sensors: true）。",
		"Sensors: every door's sees (item_sensors: true).",
	}
	sensorsBlind = text{
		"感應器：門 %s 看不到，所以寫 item_sensors: false。",
		"Sensors: those of doors %s see nothing, so item_sensors: false is written.",
	}
	nothingToWrite = text{
		"\n完成。設定 %s 已經是對的，不必改。",
		"\nDone. The configuration %s says so already; there is nothing to change.",
	}
	willWrite = text{
		"\n%d 扇門都認得了。設定 %s 要改成這樣：\n\n%s",
		"\nAll %d doors are known. The configuration %s changes like this:\n\n%s",
	}
	mayWrite = text{
		"寫入嗎？輸入 y 寫入；n 不寫（已學到的會保留）：",
		"Write it? y writes; n leaves it (what was learnt is kept):",
	}
	changedMeanwhile = text{
		"設定 %s 剛才被別人改過，沒有寫入。再執行一次：已學到的都在。",
		"The configuration %s was changed by somebody meanwhile, and nothing was written. Run this again: what was learnt is kept.",
	}
	written = text{
		"已寫入 %s，原來的保留在 %s。現在可以啟動 lobby-gateway。",
		"%s is written; the old one is kept as %s. lobby-gateway can be started now.",
	}
	stopped = text{
		"\n停在這裡：已認得 %d 扇門，共 %d 扇。再執行一次會接著做。",
		"\nStopped: %d of %d doors are known. Run this again to go on.",
	}
)
