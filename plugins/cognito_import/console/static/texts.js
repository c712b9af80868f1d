// Every text of the page in both languages; the words are those of Airflow's own UI. Problems of rows come from the server.
const EN = {
  locale: "en-GB", loading: "Loading …", language: "Language", views: "Views", pages: "Pages", nothing: "Nothing yet",
  "view.new": "New import", "view.runs": "Runs", "view.settings": "Settings and check",
  offline: "Airflow cannot be reached. The page tries again by itself; check your connection if this lasts.",
  expired: "Your session has ended. Reload Airflow and sign in; nothing that was started is lost.",
  forbidden: "You may not do this. Ask whoever manages Airflow's roles.", failed: "Something went wrong; try again.",
  seconds: "{n} s", minutes: "{n} min", hours: "{n} h", previous: "Previous", next: "Next", range: "{from}–{to} of {total}", cancel: "Cancel",
  dry: "Dry run: nothing is changed",
  "dry.succeeded": "Would succeed", "dry.existed": "Would stay as they are", "dry.incomplete": "Exist, would be changed", "dry.exists": "Exist already",
  "dry.failed": "Would fail", "dry.interrupted": "Not known", "dry.not_attempted": "Not looked up",
  "kind.succeeded": "Succeeded", "kind.changed": "Were there, changed as listed", "kind.existed": "Were there, as listed", "kind.incomplete": "Incomplete", "kind.exists": "Existed already", "kind.failed": "Failed", "kind.interrupted": "Not known yet",
  "kind.not_attempted": "Not attempted", "kind.waiting": "Waiting",
  "state.asking": "Waits for approval", "state.running": "Running", "state.queued": "Queued", "state.success": "Success", "state.failed": "Failed",
  "job.import": "Import", "job.delete": "Delete", "job.disable": "Disable", "job.enable": "Enable",
  "engine.mapped": "Airflow tasks", "engine.step_functions": "Step Functions", "existing.fail": "report them as failures",
  "existing.complete": "complete their groups and attributes",
  "no-start": "You may not start runs. Ask whoever manages Airflow's roles for a role that may trigger the DAG.",
  "no-addresses": "Addresses are shown to those who may start runs.", "no-answer": "You may not answer. Ask somebody who may approve.",
  "new.list": "Users", "new.paste": "Paste addresses, one in each line, or cells of a spreadsheet", "new.or": "or",
  "new.file": "Choose a file", "new.files": "or drop it here: CSV, Excel (.xlsx) or JSON", "new.check": "Check", "new.checking": "Checking …",
  "new.kind": "This file is of another kind; expected .csv, .xlsx, .json or .jsonl.", "new.understood": "What was understood",
  "new.all": "{n} user{s}, no problems.", "new.some": "Users: {n}. Without problems: {good}. With problems: {wrong}.",
  "new.out": "Rows with problems are left out: {n}.", "new.time": "It takes about {span} at the pace of now, and is over at {over} if it starts at once.",
  "new.after": "It takes about {span} at the pace of now.", "new.starting": "Starting …",
  "new.admin": "Enter the administrator's address to start.", "new.import": "Import {n} user{s}", "new.delete": "Delete {n} user{s}",
  "new.disable": "Disable {n} user{s}", "new.enable": "Enable {n} user{s}", "new.try": "Try {n} user{s} without changing anything",
  options: "Options", job: "Job", adminemail: "Administrator", "adminemail.text": "The report is mailed to the administrator's address.",
  existing: "Users who exist", engine: "Engine", invite: "Cognito mails each new user an invitation", resend_invitation: "and again those who have not signed in yet",
  create_groups: "Create groups that the user pool lacks", dry_run: "Only try: nothing is changed",
  groups: "Users whose row names no groups join: {groups}.", asked: "Nobody is touched before somebody has approved it.",
  "at-once": "It begins at once: this deployment asks for no approval.",
  row: "Row", problem: "Problem", cell: "Row {row}, {column}", "leave-out": "Leave out", "take-back": "Take back in", correct: "Check the corrections",
  more: "{n} more problems are shown once these are solved.", first: "The first {n} of {good} users without problems",
  waiting: "Waiting for an answer", all: "All", "search.runs": "Started by or run id", search: "Search", "no-match": "Nothing matches.",
  "no-runs": "There are no runs yet.", started: "Started", by: "By", users: "Users", outcome: "Outcome", state: "State", schedule: "Schedule",
  unreadable: "Its folder in S3 cannot be read",
  approval: "{job}: {n} user{s}, asked for by {by}", approve: "Approve", reject: "Reject",
  "approve.text": "The run goes on at once. What is deleted cannot be brought back.", "reject.text": "The run ends, and nobody is touched.",
  "approval.own": "You asked for this yourself, so somebody else may have to approve it.",
  "answer.asked": "Asked for approval on {at}.", "answer.approved": "Approved by {by} on {at}.", "answer.rejected": "Rejected by {by} on {at}.",
  "answer.lapsed": "Nobody answered in time, by {at}.",
  "run.title": "{job}: {n} user{s}", "run.reading": "The request is being read", "run.unread": "The run ended before its users were read. See the log of its task read_request in Airflow.",
  left: "Time left", failures: "Failures by reason", code: "Code", reason: "Reason", each: "Each user", address: "Address", found: "{n} user{s}",
  rate: "Users a second", "rate.words": "Now {now} a second of {limit}", "rate.limit": "pace", "rate.quota": "quota",
  mailed: "Report mailed on {at}; its link ends on {end}.", "do.csv": "Download CSV", "do.stop": "Stop", "do.again": "Run the failed ones again", "do.undo": "Undo",
  "do.stop.text": "Users who are being processed are finished, and the others are reported as not attempted. The run fails, and its report is mailed.",
  "do.again.text": "A new run processes those of the report who did not succeed: {n} user{s}.",
  "do.undo.text": "A new run deletes those whom this run created, once somebody has approved it: {n} user{s}.",
  check: "Is AWS ready?", "check.text": "Looks at the user pool, groups, bucket, sender, credentials and quotas, as a run does. Nothing is changed.",
  "check.do": "Check now", "check.busy": "Checking …", "check.good": "All is ready.", "check.problems": "To be fixed", "check.unseen": "Could not be seen",
  "check.warnings": "To know", settings: "Settings in force", "settings.text": "They come from the Airflow Variable cognito_import and are changed there.",
  setting: "Setting", value: "Value", set: "set, not shown", unset: "not set",
};

const JA = {
  locale: "ja-JP", loading: "読み込み中…", language: "言語", views: "画面", pages: "ページ", nothing: "まだありません",
  "view.new": "新規インポート", "view.runs": "実行", "view.settings": "設定とチェック",
  offline: "Airflow に接続できません。自動的に再試行します。続く場合は接続を確認してください。",
  expired: "セッションの有効期限が切れました。Airflow を再読み込みしてサインインしてください。開始した処理は失われません。",
  forbidden: "この操作の権限がありません。Airflow のロールの管理者に依頼してください。", failed: "エラーが発生しました。もう一度お試しください。",
  seconds: "{n} 秒", minutes: "{n} 分", hours: "{n} 時間", previous: "前へ", next: "次へ", range: "{total} 件中 {from}–{to}", cancel: "キャンセル",
  dry: "確認のみの実行（変更なし）",
  "dry.succeeded": "成功する見込み", "dry.existed": "変更なしの見込み", "dry.incomplete": "登録済み、変更される見込み", "dry.exists": "登録済み",
  "dry.failed": "失敗する見込み", "dry.interrupted": "不明", "dry.not_attempted": "未確認",
  "kind.succeeded": "成功", "kind.changed": "登録済み（一覧のとおりに変更）", "kind.existed": "登録済み（一覧のとおり）", "kind.incomplete": "不足あり", "kind.exists": "登録済みのため失敗", "kind.failed": "失敗", "kind.interrupted": "確認中", "kind.not_attempted": "未処理", "kind.waiting": "順番待ち",
  "state.asking": "承認待ち", "state.running": "実行中", "state.queued": "待機中", "state.success": "成功", "state.failed": "失敗",
  "job.import": "インポート", "job.delete": "削除", "job.disable": "無効化", "job.enable": "有効化",
  "engine.mapped": "Airflow のタスク", "engine.step_functions": "Step Functions", "existing.fail": "失敗として報告する",
  "existing.complete": "グループと属性を補う",
  "no-start": "実行を開始する権限がありません。DAG をトリガーできるロールを Airflow の管理者に依頼してください。",
  "no-addresses": "メールアドレスは、実行を開始できるユーザーにだけ表示されます。", "no-answer": "回答する権限がありません。承認できる人に依頼してください。",
  "new.list": "ユーザー", "new.paste": "1 行に 1 つのメールアドレス、または表計算ソフトのセルを貼り付けます", "new.or": "または",
  "new.file": "ファイルを選択", "new.files": "ここにドロップすることもできます（CSV、Excel（.xlsx）、JSON）", "new.check": "チェック", "new.checking": "チェック中…",
  "new.kind": "このファイルの種類には対応していません。.csv、.xlsx、.json、.jsonl を使ってください。", "new.understood": "読み取った内容",
  "new.all": "{n} 人全員を処理できます。", "new.some": "{n} 人のうち {good} 人を処理できます。{wrong} 人に問題があります。",
  "new.out": "問題のある {n} 人は除外されます。", "new.time": "現在のペースで約 {span} かかります。すぐに開始した場合、{over} ごろに終わります。",
  "new.after": "現在のペースで約 {span} かかります。", "new.starting": "開始しています…",
  "new.admin": "開始するには管理者のメールアドレスを入力してください。", "new.import": "{n} 人をインポート", "new.delete": "{n} 人を削除",
  "new.disable": "{n} 人を無効化", "new.enable": "{n} 人を有効化", "new.try": "{n} 人を確認のみ実行（変更なし）",
  options: "オプション", job: "処理内容", adminemail: "管理者のメールアドレス", "adminemail.text": "結果のレポートが管理者に届きます。",
  existing: "登録済みのユーザー", engine: "エンジン", invite: "新しいユーザーに Cognito から招待メールを送信する", resend_invitation: "まだサインインしていないユーザーにも再送する",
  create_groups: "ユーザープールにないグループを作成する", dry_run: "確認のみ（何も変更しない）",
  groups: "グループの指定がないユーザーが入るグループ: {groups}", asked: "承認されるまで、ユーザーには何も行いません。",
  "at-once": "この環境では承認を求めず、すぐに始まります。",
  row: "行", problem: "問題", cell: "{row} 行目、{column}", "leave-out": "除外する", "take-back": "元に戻す", correct: "修正内容をチェック",
  more: "残り {n} 件の問題は、これらの解決後に表示されます。", first: "問題のない {good} 人のうち最初の {n} 人",
  waiting: "回答待ち", all: "すべて", "search.runs": "開始した人または実行 ID", search: "検索", "no-match": "該当するものがありません。",
  "no-runs": "実行はまだありません。", started: "開始", by: "開始した人", users: "ユーザー数", outcome: "結果", state: "状態", schedule: "スケジュール",
  unreadable: "S3 のフォルダを読み取れません",
  approval: "{job}: {n} 人、依頼者 {by}", approve: "承認", reject: "却下",
  "approve.text": "すぐに処理が始まります。削除したユーザーは元に戻せません。", "reject.text": "実行は終了し、ユーザーには何も行いません。",
  "approval.own": "自分が依頼した処理です。別の人の承認が必要な場合があります。",
  "answer.asked": "{at} に承認を求めました。", "answer.approved": "{at} に {by} が承認しました。", "answer.rejected": "{at} に {by} が却下しました。",
  "answer.lapsed": "{at} までに回答がありませんでした。",
  "run.title": "{job}: {n} 人", "run.reading": "リクエストを読み込んでいます", "run.unread": "ユーザーを読み込む前に実行が終了しました。Airflow でタスク read_request のログを確認してください。",
  left: "残り時間", failures: "理由別の失敗", code: "コード", reason: "理由", each: "ユーザーごとの結果", address: "メールアドレス", found: "{n} 人",
  rate: "1 秒あたりのユーザー数", "rate.words": "現在 {now} 人/秒（ペース {limit}）", "rate.limit": "ペース", "rate.quota": "クォータ",
  mailed: "{at} にレポートを送信しました。リンクの有効期限は {end} です。", "do.csv": "CSV をダウンロード", "do.stop": "停止", "do.again": "失敗したユーザーを再実行", "do.undo": "取り消し",
  "do.stop.text": "処理中のユーザーは完了し、残りは未処理として報告されます。実行は失敗となり、レポートが送信されます。",
  "do.again.text": "成功しなかった {n} 人を新しい実行で処理します。",
  "do.undo.text": "承認の後、この実行で作成した {n} 人を新しい実行で削除します。",
  check: "AWS の準備", "check.text": "実行時と同じように、ユーザープール、グループ、バケット、送信元、認証情報、クォータを確認します。何も変更しません。",
  "check.do": "今すぐチェック", "check.busy": "チェック中…", "check.good": "すべて準備できています。", "check.problems": "修正が必要", "check.unseen": "確認できなかったもの",
  "check.warnings": "注意", settings: "現在の設定", "settings.text": "Airflow の Variable「cognito_import」の値です。変更もそこで行います。",
  setting: "設定", value: "値", set: "設定済み（非表示）", unset: "未設定",
};

const TEXTS = { en: EN, ja: JA };
const KEY = "cognito-import-language";

/** Whoever chose a language has it; else Airflow's own choice, which its UI keeps in the browser, else the browser's. */
let chosen = [localStorage.getItem(KEY), localStorage.getItem("i18nextLng"), ...navigator.languages]
  .filter(Boolean)
  .map((name) => name.slice(0, 2))
  .find((name) => name in TEXTS) ?? "en";
document.documentElement.lang = chosen;

export const language = () => chosen;

export function chooseLanguage(name) {
  chosen = name;
  localStorage.setItem(KEY, name);
  document.documentElement.lang = name;
}

export function t(key, values = {}) {
  const text = TEXTS[chosen][key] ?? EN[key] ?? key;
  const given = { s: values.n === "1" ? "" : "s", ...values }; // numbers come as they are shown
  return text.replace(/\{(\w+)\}/g, (place, name) => given[name] ?? place);
}
